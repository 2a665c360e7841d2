//! A route: what is called how, by whom, and what it returns. The router and `/openapi.json` are both made of these, so
//! that neither knows a call that the other does not.
//!
//! Shapes of JSON are written short: `name:string key:[string]? as_of:AsOf note:string*` are the members of an object,
//! `?` may be null, `*` may be left out, `[..]` is an array, a capital begins the name of another shape, `any` is anything.

use axum::routing::MethodRouter;

use super::App;
use super::role::Role;

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the calls that change something use the rest")]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// One call.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) method: Method,
    /// As axum writes it: `/api/v1/views/{view}`.
    pub(super) path: &'static str,
    pub(super) role: Role,
    pub(super) summary: &'static str,
    /// Those of the query and the headers; those of the path are read from it.
    pub(super) parameters: &'static [Parameter],
    /// The media types a body may have; none if it has no body.
    pub(super) body: &'static [&'static str],
    /// Status, media type and shape of every answer that is no problem.
    pub(super) answers: &'static [Answer],
    /// It is answered also while the engine does again what its data directory holds.
    pub(super) early: bool,
    pub(super) serve: fn() -> MethodRouter<App>,
}

/// A parameter of the query or a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) header: bool,
    /// `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
    pub(super) meaning: &'static str,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Empty if the answer has no body.
    pub(super) media: &'static str,
    /// The name of a shape, or `string` for text.
    pub(super) shape: &'static str,
}

/// The name and the members of a JSON object.
pub(super) type Shape = (&'static str, &'static str);

impl Method {
    /// As HTTP writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

impl Route {
    /// A call that reads and answers 200 with JSON of a shape.
    pub(super) const fn get(path: &'static str, summary: &'static str, serve: fn() -> MethodRouter<App>) -> Route {
        Route::of(Method::Get, path, Role::Read, summary, serve)
    }

    /// Any call.
    pub(super) const fn of(
        method: Method,
        path: &'static str,
        role: Role,
        summary: &'static str,
        serve: fn() -> MethodRouter<App>,
    ) -> Route {
        Route { method, path, role, summary, parameters: &[], body: &[], answers: &[], early: false, serve }
    }

    /// For callers of this role.
    pub(super) const fn role(self, role: Role) -> Route {
        Route { role, ..self }
    }

    /// With parameters.
    pub(super) const fn takes(self, parameters: &'static [Parameter]) -> Route {
        Route { parameters, ..self }
    }

    /// With a body of one of these media types.
    #[allow(dead_code, reason = "for calls that change something")]
    pub(super) const fn body(self, body: &'static [&'static str]) -> Route {
        Route { body, ..self }
    }

    /// Answered also while the engine does again what its data directory holds.
    pub(super) const fn early(self) -> Route {
        Route { early: true, ..self }
    }

    /// With these answers.
    pub(super) const fn answers(self, answers: &'static [Answer]) -> Route {
        Route { answers, ..self }
    }
}

impl Answer {
    /// 200 with JSON of a shape.
    pub(super) const fn json(shape: &'static str) -> Answer {
        Answer::of(200, "application/json", shape)
    }

    /// 200 with text of a media type.
    pub(super) const fn text(media: &'static str) -> Answer {
        Answer::of(200, media, "string")
    }

    /// Any answer.
    pub(super) const fn of(status: u16, media: &'static str, shape: &'static str) -> Answer {
        Answer { status, media, shape }
    }
}

/// A parameter of the query.
pub(super) const fn query(name: &'static str, kind: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, header: false, kind, meaning }
}

/// A header.
pub(super) const fn header(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, header: true, kind: "string", meaning }
}
