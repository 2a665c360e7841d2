//! What a caller may do. A route asks for one role; a token has some.

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the calls that change something use the rest")]
pub(super) enum Role {
    /// Nothing: probes, the page, the description.
    Open,
    /// To see views, sources, metrics.
    Read,
    /// To send events.
    Ingest,
    /// To change tables; a token with it may do everything.
    Admin,
}

impl Role {
    /// Those a token may have.
    #[allow(dead_code, reason = "what tokens are read with")]
    pub(super) const GIVEN: [Role; 3] = [Role::Read, Role::Ingest, Role::Admin];

    /// Its name in a file of tokens.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Open => "open",
            Role::Read => "read",
            Role::Ingest => "ingest",
            Role::Admin => "admin",
        }
    }
}
