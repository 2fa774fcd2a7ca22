//! Keeps the lists at hand of what authorities outside took back: each server reads them by itself, and
//! again and again. Only the configured places are read, never one that a certificate names. Lists are
//! signed, so plain HTTP gives nothing away and lets nobody change one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use kernel_crypto::ca::{List, RefusedCertificate};
use kernel_host::clock::Clock;
use kernel_host::outgoing::Outgoing;
use kernel_host::timestamps::Stamping;
use kernel_identity::session::Sessions;
use rustls::pki_types::CertificateDer;

use crate::tls;

/// Between two looks at whether a file was replaced, or an address is due.
const LOOK: Duration = Duration::from_secs(2);
/// Between two requests to an address.
const EVERY: Duration = Duration::from_hours(1);
/// The same while there is no list that may be relied on.
const SOON: Duration = Duration::from_mins(1);
/// Most bytes of a list.
const MOST: u64 = 8 << 20;

/// Where a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Url(String),
}

/// The lists that are read.
pub(crate) struct Lists {
    places: Vec<Place>,
    outgoing: Outgoing,
}

/// Who keeps what is read.
pub(crate) trait Keeper: Send + Sync {
    /// The alarm about a list that is not there.
    const ALARM: &'static str;

    fn read(bytes: &[u8]) -> Result<List, RefusedCertificate>;

    fn keep(&self, place: &str, list: List);

    fn holds(&self, place: &str, now: i64) -> bool;
}

/// Of authorities whose certificates people bring.
impl Keeper for Sessions {
    const ALARM: &'static str = "certificates.list";

    fn read(bytes: &[u8]) -> Result<List, RefusedCertificate> {
        List::read(bytes)
    }

    fn keep(&self, place: &str, list: List) {
        self.keep_list(place, list);
    }

    fn holds(&self, place: &str, now: i64) -> bool {
        self.list_holds(place, now)
    }
}

/// Of authorities that say when signatures were there.
impl Keeper for Stamping {
    const ALARM: &'static str = "timestamps.list";

    fn read(bytes: &[u8]) -> Result<List, RefusedCertificate> {
        List::read_foreign(bytes)
    }

    fn keep(&self, place: &str, list: List) {
        self.keep_list(place, list);
    }

    fn holds(&self, place: &str, now: i64) -> bool {
        self.list_holds(place, now)
    }
}

/// What was read of a place, and when.
#[derive(Default)]
struct Read {
    /// When the file was changed last.
    changed: Option<SystemTime>,
    tried: Option<Instant>,
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if text.is_empty() || text.contains("://") {
            bail!("{text:?} is no file and no address of https or http");
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl Lists {
    /// Those at the places that a setting names, if it names any, trusting `authorities` for TLS.
    pub(crate) fn at(
        named: &[String],
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<Self>> {
        if named.is_empty() {
            return Ok(None);
        }
        let places = named.iter().map(|place| place.parse());
        let places = places.collect::<Result<_>>()?;
        let secure = named.iter().any(|place| place.starts_with("https://"));
        let roots = if secure { authorities()? } else { Vec::new() };
        let outgoing = Outgoing::new(&roots, tls::international());
        Ok(Some(Self { places, outgoing }))
    }

    /// Reads them as long as the server runs.
    pub(crate) async fn run(self, keeper: impl Keeper, clock: Arc<dyn Clock>) {
        let mut all: Vec<Read> = self.places.iter().map(|_| Read::default()).collect();
        loop {
            for (place, read) in self.places.iter().zip(&mut all) {
                self.look((&keeper, &*clock), place, read).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look<K: Keeper>(
        &self,
        (keeper, clock): (&K, &dyn Clock),
        place: &Place,
        read: &mut Read,
    ) {
        let name = place.to_string();
        let holds = keeper.holds(&name, clock.now().micros());
        let pause = if holds { EVERY } else { SOON };
        let due = read.tried.is_none_or(|tried| tried.elapsed() >= pause);
        let changed = match place {
            Place::File(file) => {
                let told = tokio::fs::metadata(file).await;
                told.and_then(|about| about.modified()).ok()
            }
            Place::Url(_) => None,
        };
        if !due && changed == read.changed {
            return;
        }
        read.changed = changed;
        read.tried = Some(Instant::now());
        let found = self.read(place, keeper).await;
        let holds = keeper.holds(&name, clock.now().micros());
        match found {
            Err(error) if holds => tracing::warn!(list = name, "a list is not read: {error:#}"),
            Err(error) => {
                tracing::error!(alarm = K::ALARM, list = name, "not read: {error:#}");
            }
            Ok(()) if holds => {}
            Ok(()) => {
                tracing::error!(alarm = K::ALARM, list = name, "out of date");
            }
        }
    }

    async fn read<K: Keeper>(&self, place: &Place, keeper: &K) -> Result<()> {
        let bytes = match place {
            Place::File(file) => {
                let bytes = tokio::fs::read(file).await?;
                ensure!(bytes.len() as u64 <= MOST, "longer than {MOST} bytes");
                bytes
            }
            Place::Url(url) => self.outgoing.get(url.clone(), MOST).await?,
        };
        let list = tokio::task::spawn_blocking(move || K::read(&bytes)).await?;
        let list = list.context("not a list of an authority")?;
        keeper.keep(&place.to_string(), list);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_an_address() {
        let read = |text: &str| text.parse::<Place>().ok();
        assert_eq!(
            read("ca/users.crl"),
            Some(Place::File("ca/users.crl".into()))
        );
        let url = "http://ca.example/users.crl";
        assert_eq!(read(url), Some(Place::Url(url.into())));
        for bad in ["", "ldap://ca.example/users", "ftp://x"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
