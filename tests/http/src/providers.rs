//! The two identity providers that play 随申办 and 企业云 (`tests/providers`), for a platform under
//! test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::browser::agent;
use crate::{Browser, Built, Screen, Server};

/// Both of them, running; stopped when dropped.
pub struct Providers {
    child: Child,
    folder: tempfile::TempDir,
}

impl Providers {
    /// Starts them; none where the environment has no binaries.
    pub fn start() -> Option<Self> {
        let program = Built::find()?.bin.with_file_name("rongqiao-providers");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(program)
            .arg("--folder")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the providers start");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("their output"));
        lines.read_line(&mut line).expect("they say where they are");
        Some(Self { child, folder })
    }

    /// A configuration with both, and `more`.
    pub fn config(&self, more: &str) -> PathBuf {
        let both = self.folder.path().join("providers.toml");
        let both = std::fs::read_to_string(both).expect("their configuration");
        let file = self.folder.path().join("config.toml");
        std::fs::write(&file, format!("{more}\n{both}")).expect("a file");
        file
    }

    /// Presses “用…登录”; the address that a browser is sent to.
    pub fn away(browser: &mut Browser, provider: &str, next: &str) -> String {
        let away = browser.get(&format!("/login/with/{provider}?next={next}"));
        assert_eq!(away.status, 303, "{}", away.html);
        away.to.expect("where the provider is")
    }

    /// Picks who to be there, and perhaps what goes wrong with them; the path that it leads back to.
    pub fn choose(server: &Server, away: &str, person: &str, fault: &str) -> String {
        let page = agent().get(away).call().expect("the provider answers");
        assert_eq!(page.status(), 200, "{away}");
        let choose = away.replacen("/authorize?", "/choose?", 1);
        let choose = format!("{choose}&person={person}&fault={fault}");
        let back = agent().get(choose).call().expect("the provider answers");
        let back = back.headers().get("location").and_then(|h| h.to_str().ok());
        let back = back.expect("the way back");
        let path = back.strip_prefix(&server.url);
        path.unwrap_or_else(|| panic!("{back} is at {}", server.url))
            .to_owned()
    }

    /// The whole way there and back; what the platform says then.
    pub fn sign_in(
        server: &Server,
        browser: &mut Browser,
        (provider, person): (&str, &str),
        next: &str,
    ) -> Screen {
        let away = Self::away(browser, provider, next);
        let back = Self::choose(server, &away, person, "");
        browser.get(&back)
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
