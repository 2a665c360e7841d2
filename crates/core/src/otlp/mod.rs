//! What OpenTelemetry collectors are told: metrics and the spans of requests, as OTLP's JSON.
//!
//! The encoding is OTLP 1.x over HTTP in its JSON form, which collectors take beside protobuf: ids are hexadecimal text,
//! 64-bit integers are decimal text, enums are numbers. This room makes the bodies and collects the spans; it opens no
//! connection and reads no clock but for a span's two ends. Who sends the bodies is the command that runs the engine.
//!
//! Invariant: recording a span never waits. What finds no room is counted and left out.

mod metrics;
mod trace;

use serde_json::{Value, json};

pub use metrics::metrics;
pub use trace::{Recorder, Recording, Sampler, Span, Traceparent, spans};

/// The name and version under which everything is told.
fn scope() -> Value {
    json!({ "name": "highwater", "version": env!("CARGO_PKG_VERSION") })
}

/// Who tells it: attributes by name, `service.name` among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource(Vec<(String, String)>);

impl Resource {
    /// A service, of the attributes that `OTEL_RESOURCE_ATTRIBUTES` writes (`name=value,...`, values percent-encoded as
    /// in W3C Baggage). A later attribute of a name takes the place of an earlier one; `service` takes that of
    /// `service.name`.
    pub fn new(service: Option<&str>, attributes: &str) -> Resource {
        let mut resource = Resource(vec![("service.name".to_owned(), "highwater".to_owned())]);
        let pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        pairs.for_each(|(name, value)| resource.set(name.trim(), percent_decoded(value.trim())));
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            resource.set("service.name", service.to_owned());
        }
        resource
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn json(&self) -> Value {
        json!({ "attributes": self.0.iter().map(|(name, value)| text(name, value)).collect::<Vec<_>>() })
    }
}

/// An attribute of text.
fn text(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

/// An attribute of an integer.
fn integer(name: &str, value: i64) -> Value {
    json!({ "key": name, "value": { "intValue": value.to_string() } })
}

/// A value as W3C's baggage writes it: of attributes, and of headers.
pub fn percent_decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        // A sign is no digit.
        let hex = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_whoever_says_so_last() {
        let named = Resource::new(Some("orders"), "service.name=x,deployment.environment.name=prod%20eu,broken");
        let expected = [("service.name", "orders"), ("deployment.environment.name", "prod eu")];
        assert_eq!(named.0, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(Resource::new(None, "").0, [("service.name".to_owned(), "highwater".to_owned())]);
        assert_eq!(Resource::new(Some(""), "service.name=x").0[0].1, "x");
    }
}
