//! What commands that talk to a server need of HTTP: addresses, connections (TLS or not), and a client that keeps its
//! connection for one request after another. HTTP/1.1, bodies with a length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Where systems keep the certificates they trust.
const SYSTEM_CERTIFICATES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How a server is reached.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Reach {
    /// The token to send, if the server asks for one
    #[arg(long, env = "HIGHWATER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// For https://: PEM file with the certificates to trust [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Reach {
    /// The server at an address.
    pub(super) fn target(&self, url: &str) -> Result<Target, String> {
        let address = Address::parse(url)?;
        if self.token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err("the token holds what no token can: spaces, or letters beyond ASCII".to_owned());
        }
        let tls = address.secure.then(|| tls(self.ca.as_deref())).transpose()?;
        Ok(Target { address, tls, token: self.token.clone(), headers: String::new() })
    }
}

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: Address,
    tls: Option<Arc<ClientConfig>>,
    pub(super) token: Option<String>,
    /// Sent with every request, as lines.
    headers: String,
}

/// A connection, encrypted or not.
pub(super) trait Connection: Read + Write + Send {}
impl<C: Read + Write + Send> Connection for C {}

impl Target {
    /// The same, with headers that go with every request.
    pub(super) fn with_headers(mut self, headers: Vec<(String, String)>) -> Result<Target, String> {
        for (name, value) in headers {
            let name_fits = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if !name_fits || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(format!("'{name}' is no header that can be sent"));
            }
            self.headers += &format!("{name}: {value}\r\n");
        }
        Ok(self)
    }

    /// Connects; a read that takes longer than `patience` fails.
    pub(super) fn connect(&self, patience: Duration) -> Result<Box<dyn Connection>, String> {
        let broken = |error: std::io::Error| format!("{}: {error}", self.address.host);
        let stream = TcpStream::connect(&self.address.host).map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        stream.set_read_timeout(Some(patience)).map_err(broken)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let host = &self.address.host;
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("{host}: {error}"))?;
        let session = ClientConnection::new(tls.clone(), name).map_err(|error| format!("{host}: {error}"))?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }
}

/// Trust in the certificates of a file, or of the system.
fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let known = SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let path = ca.or(known).ok_or("no certificates to trust are found: name a file with --ca")?;
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| format!("{}: {error}", path.display()))?;
    roots.add_parsable_certificates(read.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(format!("{} holds no certificate in PEM form", path.display()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `host:port`.
    pub(super) host: String,
    /// What stands before `/api`, if the server is behind a proxy.
    pub(super) path: String,
    /// Whether it speaks TLS.
    secure: bool,
}

impl Address {
    fn parse(url: &str) -> Result<Address, String> {
        let after = |schemes: [&str; 2]| schemes.into_iter().find_map(|scheme| url.strip_prefix(scheme));
        let (secure, rest) = match after(["https://", "wss://"]) {
            Some(rest) => (true, rest),
            None => (false, after(["http://", "ws://"]).unwrap_or(url)),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port_given = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        match host {
            "" => Err(format!("'{url}' names no host; write http://HOST:PORT")),
            _ => Ok(Address {
                host: if port_given { host.to_owned() } else { format!("{host}:{}", if secure { 443 } else { 80 }) },
                path: match path.trim_end_matches('/') {
                    "" => String::new(),
                    path => format!("/{path}"),
                },
                secure,
            }),
        }
    }
}

/// A path segment as it stands in a URL.
pub(super) fn percent_encode(segment: &str) -> String {
    segment.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}

/// One answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A number of the body; 0 if it is not there.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.json()[name].as_u64().unwrap_or(0)
    }

    /// Why a request was refused.
    pub(super) fn reason(&self) -> String {
        match self.json()["detail"].as_str() {
            Some(detail) => detail.to_owned(),
            None => format!("the server answered {}", self.status),
        }
    }
}

/// Requests over one connection, made anew when it breaks.
pub(super) struct Client {
    target: Target,
    stream: Option<BufReader<Box<dyn Connection>>>,
    patience: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.target.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Connected with the first request; an answer may take `patience`.
    pub(super) fn unconnected(target: Target, patience: Duration) -> Client {
        Client { target, stream: None, patience }
    }

    /// Connected if that can be done now; otherwise the first request tries again, and says why not.
    pub(super) fn new(target: Target) -> Client {
        let stream = target.connect(PATIENCE).ok().map(BufReader::new);
        Client { target, stream, patience: PATIENCE }
    }

    /// POSTs a body.
    pub(super) fn post(&mut self, path: &str, media: &str, body: &[u8]) -> Result<Reply, String> {
        let token =
            self.target.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let (Address { host, path: base, .. }, headers, length) =
            (&self.target.address, &self.target.headers, body.len());
        let head = format!(
            "POST {base}{path} HTTP/1.1\r\nHost: {host}\r\n{token}{headers}Content-Type: {media}\r\nContent-Length: {length}"
        );
        let mut request = format!("{head}\r\n\r\n").into_bytes();
        request.extend_from_slice(body);
        let called = self.exchange(&request);
        if called.is_err() {
            self.stream = None;
        }
        called
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Reply, String> {
        let broken = |error: std::io::Error| format!("{}: {error}", self.target.address.host);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(BufReader::new(self.target.connect(self.patience)?)),
        };
        stream.get_mut().write_all(request).map_err(broken)?;
        stream.get_mut().flush().map_err(broken)?;
        let (reply, keep) = read(stream).map_err(broken)?;
        if !keep {
            self.stream = None;
        }
        Ok(reply)
    }
}

/// One answer, and whether the connection can be used again.
fn read(stream: &mut impl BufRead) -> std::io::Result<(Reply, bool)> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| wrong("the connection was closed without an answer"))?;
    let (mut length, mut chunked, mut retry_after, mut keep) = (0, false, None, line.starts_with("HTTP/1.1"));
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| wrong("an answer without a length"))?,
            "retry-after" => {
                let seconds: Option<f64> = value.parse().ok();
                retry_after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            }
            "connection" if value.eq_ignore_ascii_case("close") => keep = false,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
        return Ok((Reply { status, retry_after, body }, keep));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| wrong("a chunk without a size"))?;
        if stream.take(size).read_to_end(&mut body)? as u64 != size {
            return Err(wrong("the connection was closed within an answer"));
        }
        // Behind a chunk its line ends; behind the last there may be headers, up to an empty line.
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            if size > 0 || line.trim_end().is_empty() {
                break;
            }
        }
        if size == 0 {
            break;
        }
    }
    Ok((Reply { status, retry_after, body }, keep))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |url| Address::parse(url).map(|address| (address.host, address.path));
        assert_eq!(of("http://a:1"), Ok(("a:1".into(), String::new())));
        assert_eq!(of("a:1/"), Ok(("a:1".into(), String::new())));
        assert_eq!(of("http://a/b/c/"), Ok(("a:80".into(), "/b/c".into())));
        assert_eq!(of("http://[::1]:8080"), Ok(("[::1]:8080".into(), String::new())));
        assert_eq!(of("https://a"), Ok(("a:443".into(), String::new())));
        assert_eq!(of("ws://a:1/b"), Ok(("a:1".into(), "/b".into())));
        assert_eq!(of("wss://a"), Ok(("a:443".into(), String::new())));
        assert!(of("https://").is_err() && of("http://").is_err());
    }

    #[test]
    fn names_in_urls() {
        assert_eq!(percent_encode("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn answers_are_read_one_after_another() {
        let text = "HTTP/1.1 202 Accepted\r\nContent-Length: 14\r\n\r\n{\"accepted\":3}HTTP/1.1 429 x\r\nretry-after: 1\r\n\
                    connection: close\r\ncontent-length: 0\r\n\r\n";
        let mut bytes = text.as_bytes();
        let (first, keep) = read(&mut bytes).unwrap();
        assert_eq!((first.status, first.count("accepted"), first.count("rejected"), keep), (202, 3, 0, true));
        let (second, keep) = read(&mut bytes).unwrap();
        assert_eq!((second.status, second.retry_after, keep), (429, Some(Duration::from_secs(1)), false));
        assert!(read(&mut bytes).is_err());

        let mut bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nab\r\nc\r\n1\r\nd\r\n0\r\nx: y\r\n\r\nHTTP/1.1 204 \
                         No Content\r\n\r\n"
            .as_bytes();
        let (chunks, keep) = read(&mut bytes).unwrap();
        assert_eq!((chunks.body.as_slice(), keep), (b"ab\r\ncd".as_slice(), true));
        assert_eq!(read(&mut bytes).unwrap().0.status, 204);
        assert!(read(&mut "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".as_bytes()).is_err());
    }
}
