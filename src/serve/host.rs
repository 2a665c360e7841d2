//! By which names the server may be called. A page of any name can have that name resolve to an address of this machine and
//! then is of the server's own origin (DNS rebinding): what gives it away is the name, which its browser sends as `Host`.
//!
//! Addresses and the names of the loopback are always right, for no page elsewhere has them; further names only if they are
//! allowed. A client that names no host (HTTP/1.0) is no browser, and is let through. So for every route and WebSocket.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{StatusCode, header};

use super::problem::Problem;

/// Names that the server may be called by, besides addresses and those of the loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Reads names with commas between; `*` is every name.
    pub fn parse(text: &str) -> Result<Hosts, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let host = |name: &str| match name {
            "*" => Ok(name.to_owned()),
            _ if name.contains(['/', '@', ' ', '*', ':']) => {
                Err(format!("'{name}' is no host: write a name like engine.example.org, without a port, or * for all"))
            }
            _ => Ok(plain(name)),
        };
        names.map(host).collect::<Result<_, _>>().map(Hosts)
    }

    fn has(&self, host: &str) -> bool {
        let name = plain(without_port(host));
        let loopback = name == "localhost" || name.ends_with(".localhost");
        loopback || is_address(&name) || self.0.iter().any(|known| known == "*" || *known == name)
    }

    /// Refuses a request that calls the server by another name.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        let of_header = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        let wrong = of_header.chain(request.uri().host()).find(|host| !self.has(host));
        let Some(host) = wrong else { return Ok(()) };
        let name = plain(without_port(host));
        let detail = format!(
            "this server does not go by the name '{name}': call it by its address or as localhost, or allow the name with --allow-hosts {name}"
        );
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }
}

/// Lower case, without the point that may end a name.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // What is left of an IPv6 address's own colons has brackets around it, or is the address.
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(hosts: &str, host: &str) -> bool {
        let request = Request::builder().uri("/").header(header::HOST, host).body(Body::empty()).unwrap();
        Hosts::parse(hosts).unwrap().check(&request).is_ok()
    }

    #[test]
    fn addresses_and_the_loopback_are_right_and_other_names_only_if_allowed() {
        for host in
            ["localhost", "LOCALHOST.:8080", "app.localhost:1", "127.0.0.1:8080", "192.168.1.5", "[::1]:8080", "[::1]"]
        {
            assert!(allowed("", host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3", "", "x"]
        {
            assert!(!allowed("", host), "{host}");
            assert!(!allowed("good.example", host), "{host}");
            assert!(allowed("*", host), "{host}");
        }
        assert!(
            allowed("good.example, Other.Example.", "GOOD.example.:8080")
                && allowed("a,other.example", "other.example")
        );
        for wrong in ["http://a", "a:80", "*.example", "a b"] {
            assert!(Hosts::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_names_no_host_is_let_through_and_a_whole_address_counts() {
        let request = |uri: &str| Request::builder().uri(uri).body(Body::empty()).unwrap();
        assert!(Hosts::default().check(&request("/")).is_ok());
        assert!(Hosts::default().check(&request("http://127.0.0.1:1/")).is_ok());
        assert!(Hosts::default().check(&request("http://evil.example/")).is_err());
    }
}
