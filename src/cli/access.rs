//! How the server may be reached, from the settings: tokens, origins, TLS, limits.
//!
//! Invariant: beyond the loopback there is a server only with tokens, or with the explicit word that it shall do without.

use std::net::SocketAddr;

use super::settings::Settings;
use crate::serve::{Access, Origins, Tls, Tokens};

/// The variable that holds tokens themselves; a flag would show them to every user of the machine.
const TOKENS: &str = "HIGHWATER_TOKENS";

/// Reads what the settings name. An error is one of usage.
pub(super) fn access(settings: &Settings, address: SocketAddr) -> Result<Access, String> {
    let tokens = tokens(settings)?;
    if tokens.is_none() && !settings.insecure.unwrap_or(false) && !address.ip().is_loopback() {
        return Err(format!(
            "{address} can be reached from other machines: give tokens (--tokens FILE or {TOKENS}), or say --insecure \
             if everyone there may see and send everything"
        ));
    }
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Some(Tls::read(cert, key)?),
        (None, None) => None,
        _ => return Err("--tls-cert and --tls-key go together: give both or none".to_owned()),
    };
    let origins = settings.allow_origins.as_deref().map_or(Ok(Origins::default()), Origins::parse)?;
    Ok(Access { tokens, origins, tls, limits: settings.limits.clone().unwrap_or_default() })
}

/// Those of the file and of the variable together.
fn tokens(settings: &Settings) -> Result<Option<Tokens>, String> {
    let (mut text, mut from) = (String::new(), String::new());
    if let Some(path) = &settings.tokens_file {
        from = path.display().to_string();
        text = std::fs::read_to_string(path).map_err(|error| format!("{from}: {error}"))?;
    }
    if let Ok(given) = std::env::var(TOKENS) {
        from = if from.is_empty() { TOKENS.to_owned() } else { format!("{from} and {TOKENS}") };
        text = format!("{text}\n{given}");
    }
    if from.is_empty() { Ok(None) } else { Tokens::parse(&text, &from).map(Some) }
}
