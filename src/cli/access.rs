//! How the server may be reached, from the settings: tokens, origins, hosts, TLS, limits.
//!
//! Invariant: beyond the loopback there is a server only with tokens, or with the explicit word that it shall do without.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::settings::Settings;
use crate::serve::{Access, Hosts, Origins, Tls, Tokens};

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
    let hosts = settings.allow_hosts.as_deref().map_or(Ok(Hosts::default()), Hosts::parse)?;
    Ok(Access { tokens, origins, hosts, tls, limits: settings.limits.clone().unwrap_or_default(), spans: None })
}

/// What tells a file from one that took its place or was written since.
type Look = (u64, u64, i64, i64);

/// The files that it was read from, and whether they are others now: who renews a certificate or a token need not restart.
pub(super) struct Files {
    settings: Settings,
    access: Access,
    /// What the file system said of them when they were read.
    seen: Vec<Option<Look>>,
}

impl Files {
    /// Those that the settings name.
    pub(super) fn new(settings: &Settings, access: &Access) -> Files {
        let mut files = Files { settings: settings.clone(), access: access.clone(), seen: Vec::new() };
        files.seen = files.look();
        files
    }

    /// Whether any of them changed since they were read.
    pub(super) fn changed(&self) -> bool {
        self.look() != self.seen
    }

    fn look(&self) -> Vec<Option<Look>> {
        let Settings { tokens_file, tls_cert, tls_key, .. } = &self.settings;
        let look = |path: &PathBuf| {
            let of = std::fs::metadata(path).ok()?;
            Some((of.ino(), of.len(), of.mtime(), of.mtime_nsec()))
        };
        [tokens_file, tls_cert, tls_key].into_iter().flatten().map(look).collect()
    }

    /// Reads them again; what cannot be read stays as it is, and the log says why.
    pub(super) fn reload(&mut self) {
        self.seen = self.look();
        match (tokens(&self.settings), &self.access.tokens) {
            (Ok(Some(fresh)), Some(now)) if now.replace(&fresh) => tracing::info!("the tokens were read anew"),
            (Err(error), Some(_)) => tracing::error!("the tokens stay as they were: {error}"),
            _ => {}
        }
        if let (Some(now), Some(cert), Some(key)) = (&self.access.tls, &self.settings.tls_cert, &self.settings.tls_key)
        {
            match Tls::read(cert, key) {
                Ok(fresh) => {
                    now.replace(&fresh);
                    tracing::info!("the certificate was read anew; new connections have it");
                }
                Err(error) => tracing::error!("the certificate stays as it was: {error}"),
            }
        }
    }
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
