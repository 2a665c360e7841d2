//! Bearer tokens: who may call what, until when.
//!
//! A line of the file is `NAME ROLES TOKEN [EXPIRES]`: roles with commas between (`read`, `ingest`, `admin`), the token
//! itself or `sha256:` and the hash of it in hexadecimal, and the end as RFC 3339 (or a date, its first moment in UTC).
//! `#` begins a comment. Only hashes are kept, and they are compared in constant time; no error and no log line holds a
//! token.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, NaiveDate};
use sha2::{Digest, Sha256};

use super::role::Role;

/// The shortest token that is taken, in characters.
const SHORTEST: usize = 16;

/// All tokens. Clones are the same: those of a running server can be replaced.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<RwLock<Arc<[Token]>>>);

/// One of them.
#[derive(Clone, PartialEq, Eq)]
struct Token {
    name: String,
    roles: Vec<Role>,
    hash: [u8; 32],
    /// In ms since 1970.
    expires: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Why a token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// None was sent.
    Missing,
    /// There is no such token.
    Wrong,
    /// The token of this name is past its end.
    Expired(String),
    /// The token of this name has other roles.
    Role(String),
}

impl Tokens {
    /// Reads lines of tokens; `from` says in errors where they stand. At least one is needed.
    pub fn parse(text: &str, from: &str) -> Result<Tokens, String> {
        let lines = text.split(['\n', ';']).map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut tokens: Vec<Token> = Vec::new();
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let token = Token::parse(line).map_err(|reason| format!("{from}, line {}: {reason}", at + 1))?;
            if tokens.iter().any(|other| other.name == token.name || other.hash == token.hash) {
                return Err(format!("{from}, line {}: '{}' is there already", at + 1, token.name));
            }
            tokens.push(token);
        }
        match tokens.is_empty() {
            true => Err(format!("{from} holds no tokens; write lines of NAME ROLES TOKEN [EXPIRES]")),
            false => Ok(Tokens(Arc::new(RwLock::new(tokens.into())))),
        }
    }

    /// These are those of `other` from now on; returns whether they are others.
    pub fn replace(&self, other: &Tokens) -> bool {
        let fresh = other.now();
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = *now != fresh;
        *now = fresh;
        differs
    }

    fn now(&self) -> Arc<[Token]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of the token, if it has the role at `now` (ms since 1970).
    pub(super) fn check(&self, sent: Option<&str>, role: Role, now: i64) -> Result<String, Refusal> {
        let hash: [u8; 32] = Sha256::digest(sent.ok_or(Refusal::Missing)?).into();
        // All are looked at, and all of each: how long it takes says nothing.
        let all = self.now();
        let found = all.iter().fold(None, |found, token| if equal(&token.hash, &hash) { Some(token) } else { found });
        let token = found.ok_or(Refusal::Wrong)?;
        match () {
            () if token.expires.is_some_and(|expires| expires <= now) => Err(Refusal::Expired(token.name.clone())),
            () if token.roles.contains(&role) || token.roles.contains(&Role::Admin) => Ok(token.name.clone()),
            () => Err(Refusal::Role(token.name.clone())),
        }
    }
}

fn equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let differs = left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right));
    std::hint::black_box(differs) == 0
}

impl Token {
    fn parse(line: &str) -> Result<Token, String> {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let (name, roles, secret, expires) = match parts[..] {
            [name, roles, secret] => (name, roles, secret, None),
            [name, roles, secret, expires] => (name, roles, secret, Some(expires)),
            _ => return Err("write NAME ROLES TOKEN [EXPIRES]".to_owned()),
        };
        let role = |role: &str| {
            let known = Role::GIVEN.into_iter().find(|known| known.name() == role);
            known.ok_or_else(|| format!("'{name}' has the role '{role}'; there are: read, ingest, admin"))
        };
        let hash = match secret.strip_prefix("sha256:") {
            Some(hex) => read_hex(hex).ok_or_else(|| format!("the hash of '{name}' is not 64 hexadecimal digits"))?,
            None if secret.len() < SHORTEST => {
                return Err(format!("the token of '{name}' is too short: {SHORTEST} characters at least"));
            }
            None => Sha256::digest(secret).into(),
        };
        Ok(Token {
            name: name.to_owned(),
            roles: roles.split(',').map(role).collect::<Result<_, _>>()?,
            hash,
            expires: expires.map(read_time).transpose()?,
        })
    }
}

fn read_hex(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

fn read_time(text: &str) -> Result<i64, String> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let date = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    time.ok().or_else(date).ok_or_else(|| format!("'{text}' is no end: write 2027-01-31T12:00:00Z or 2027-01-31"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_open_what_their_roles_say_until_they_expire() {
        let hash: String = Sha256::digest("another-secret-token").iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "# who\nviewer read viewer-secret-token\nfeeder ingest,read sha256:{hash} 2027-01-01 # until then\n\n\
             boss admin boss-secret-token-1"
        );
        let tokens = Tokens::parse(&text, "tokens").unwrap();
        let end = 1_798_761_600_000;
        let check = |sent, role, now| tokens.check(sent, role, now);
        assert_eq!(check(Some("viewer-secret-token"), Role::Read, i64::MAX), Ok("viewer".into()));
        assert_eq!(check(Some("viewer-secret-token"), Role::Ingest, 0), Err(Refusal::Role("viewer".into())));
        assert_eq!(check(Some("another-secret-token"), Role::Ingest, end - 1), Ok("feeder".into()));
        assert_eq!(check(Some("another-secret-token"), Role::Ingest, end), Err(Refusal::Expired("feeder".into())));
        assert_eq!(check(Some("boss-secret-token-1"), Role::Ingest, 0), Ok("boss".into()));
        assert_eq!(check(Some("viewer-secret-toke"), Role::Read, 0), Err(Refusal::Wrong));
        assert_eq!(check(Some(""), Role::Read, 0), Err(Refusal::Wrong));
        assert_eq!(check(None, Role::Read, 0), Err(Refusal::Missing));
        assert!(!format!("{tokens:?}").contains("secret"));
        // Others take their place, for all who hold them.
        let held = tokens.clone();
        assert!(tokens.replace(&Tokens::parse("guest read guest-secret-token", "tokens").unwrap()));
        assert_eq!(held.check(Some("guest-secret-token"), Role::Read, 0), Ok("guest".into()));
        assert_eq!(held.check(Some("viewer-secret-token"), Role::Read, 0), Err(Refusal::Wrong));
    }

    #[test]
    fn a_wrong_line_says_which_and_why_but_not_the_token() {
        for (text, reason) in [
            ("", "holds no tokens"),
            ("a read", "NAME ROLES TOKEN"),
            ("\na write secret-secret-secret", "line 2: 'a' has the role 'write'"),
            ("a read secret", "too short"),
            ("a read sha256:secret", "64 hexadecimal"),
            ("a read secret-secret-secret soon", "'soon' is no end"),
            ("a read secret-secret-secret;a read secret-secret-secre2", "there already"),
        ] {
            let error = Tokens::parse(text, "tokens").unwrap_err();
            assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        }
    }
}
