//! A person's browser as far as forms need one: cookies that a test can look at and throw away,
//! pages as text, forms sent as they were drawn, passwords sealed. It follows no redirect by itself.

use std::collections::BTreeMap;

use crate::Server;
use crate::sealed::Sealing;

/// One browser with its own cookies.
pub struct Browser {
    url: String,
    pub cookies: BTreeMap<String, String>,
}

/// A page as a person gets it.
#[derive(Debug)]
pub struct Screen {
    pub status: u16,
    /// Where it leads, for a redirect.
    pub to: Option<String>,
    pub html: String,
}

impl Browser {
    pub fn new(server: &Server) -> Self {
        Self {
            url: server.url.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// One that is signed in.
    pub fn signed_in(server: &Server, login: &str) -> Self {
        let mut browser = Self::new(server);
        let screen = browser.get("/login");
        let done = browser.sign_in(server, login, &screen);
        assert_eq!(done.status, 303, "{login} signs in: {}", done.html);
        browser
    }

    /// Fills in the sign-in form that stands on a screen.
    pub fn sign_in(&mut self, server: &Server, login: &str, screen: &Screen) -> Screen {
        let password = server.password(login).to_owned();
        let fields = [("username", login), ("password", password.as_str())];
        self.send("/login", screen, &fields)
    }

    pub fn get(&mut self, path: &str) -> Screen {
        let request = agent().get(format!("{}{path}", self.url));
        self.read(request.header("cookie", self.cookie()).call())
    }

    /// Sends the form of a screen: its hidden marks, and what somebody typed. Its passwords are sealed
    /// on the way.
    pub fn send(&mut self, path: &str, screen: &Screen, typed: &[(&str, &str)]) -> Screen {
        let page = path.split('?').next().unwrap_or_default();
        let form = typed.iter().find(|(name, _)| *name == "_form");
        let to = match form {
            Some((_, form)) => format!("{page}#{form}"),
            None => page.to_owned(),
        };
        let secrets = screen.secrets(&to);
        let (secret, mut open): (Vec<_>, Vec<_>) = typed
            .iter()
            .copied()
            .partition(|(name, _)| secrets.contains(&(*name).to_owned()));
        let sealed = match secret.as_slice() {
            [] => String::new(),
            secret => Sealing::ask(&self.url, &to).seal(secret),
        };
        if !sealed.is_empty() {
            open.push(("_sealed", &sealed));
        }
        self.send_as_is(path, screen, &open)
    }

    /// The same with nothing sealed: what the form would send where its script did not run, and more.
    pub fn send_as_is(&mut self, path: &str, screen: &Screen, typed: &[(&str, &str)]) -> Screen {
        let mut pairs = vec![
            ("_csrf", screen.hidden("_csrf")),
            ("_key", screen.hidden("_key")),
            ("next", screen.hidden("next")),
        ];
        pairs.extend(typed.iter().map(|(n, v)| (*n, (*v).to_owned())));
        let request = agent().post(format!("{}{path}", self.url));
        self.read(request.header("cookie", self.cookie()).send_form(pairs))
    }

    fn cookie(&self) -> String {
        let pairs = self.cookies.iter().map(|(n, v)| format!("{n}={v}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn read(&mut self, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Screen {
        let mut response = match result {
            Ok(response) => response,
            Err(error) => panic!("the server does not answer: {error}"),
        };
        for line in response.headers().get_all("set-cookie") {
            let pair = line.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.and_then(|p| p.split_once('=')) {
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        let to = response.headers().get("location");
        Screen {
            status: response.status().as_u16(),
            to: to.and_then(|h| h.to_str().ok()).map(str::to_owned),
            html: response.body_mut().read_to_string().expect("a body"),
        }
    }
}

/// A fresh one for each request, because an agent would keep cookies of its own.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    config.into()
}

impl Screen {
    /// Names of the fields for passwords, of the form that seals them for `to`.
    fn secrets(&self, to: &str) -> Vec<String> {
        let start = format!(" data-seal=\"{to}\"");
        let form = self.html.split_once(&start).map_or("", |(_, rest)| rest);
        let form = form.split("</form>").next().unwrap_or_default();
        let fields = form.split(" data-secret=\"").skip(1);
        fields
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect()
    }

    /// Value of the first hidden field of a name; empty where there is none.
    pub fn hidden(&self, name: &str) -> String {
        let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
        let rest = self.html.split_once(&start).map(|(_, rest)| rest);
        let value = rest.and_then(|r| r.split('"').next()).unwrap_or_default();
        value.replace("&amp;", "&")
    }
}
