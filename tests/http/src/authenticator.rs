//! A person's authenticator application: set up from what the account's page shows.

use kernel_crypto::otp;
use serde_json::json;

use crate::{Browser, Client, Server};

/// An application that has a user's secret.
pub struct Authenticator {
    secret: String,
    /// The last step whose code was given: each is good once.
    last: i64,
}

impl Authenticator {
    /// Sets one up for a client that is signed in.
    pub fn set_up(server: &Server, client: &mut Client, login: &str) -> Self {
        let password = server.password(login).to_owned();
        let begun = client.post(
            "/api/v1/platform/factors/begin",
            &json!({ "current": password }),
        );
        assert_eq!(begun.status, 200, "{}", begun.body);
        let page = client.get("/platform/account").body;
        let mut own = Self::read(page.as_str().expect("a page"));
        let confirmed = client.post(
            "/api/v1/platform/factors/confirm",
            &json!({ "code": own.code() }),
        );
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        own
    }

    /// Sets one up on the pages, from one that has the form to begin with.
    pub fn set_up_on(server: &Server, browser: &mut Browser, path: &str, login: &str) -> Self {
        let screen = browser.get(path);
        let password = server.password(login).to_owned();
        let begin = [
            ("_form", "factor-begin"),
            ("_action", "factor.begin"),
            ("current", password.as_str()),
        ];
        let shown = browser.send(path, &screen, &begin);
        assert_eq!(shown.status, 303, "{}", shown.html);
        let screen = browser.get(path);
        let mut own = Self::read(&screen.html);
        let code = own.code();
        let confirm = [
            ("_form", "factor-confirm"),
            ("_action", "factor.confirm"),
            ("code", code.as_str()),
        ];
        let confirmed = browser.send(path, &screen, &confirm);
        assert_eq!(confirmed.status, 303, "{}", confirmed.html);
        own
    }

    /// The secret as a page spells it for typing.
    fn read(page: &str) -> Self {
        let (_, after) = page.split_once("密钥").expect("the secret is shown");
        let words = after.split(['<', '>']).find(|text| {
            let letters = text.replace(' ', "");
            letters.len() == 32 && letters.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        Self {
            secret: words.expect("the secret").replace(' ', ""),
            last: 0,
        }
    }

    /// A code that is good now and was not given before. Steps a little ahead are taken, so three
    /// in a row need no wait.
    pub fn code(&mut self) -> String {
        let step = (self.last + 1).max(otp::step(crate::seconds()) - 1);
        self.last = step;
        otp::code(&self.secret, step).expect("a code")
    }
}
