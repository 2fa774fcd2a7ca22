//! Certificate authorities outside the platform, for tests: made by the machine's `openssl`, which
//! shares no code with ours. SM2 with SM3 and the standard's identity of a signer.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise; a skipped test says why"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The time that certificates and lists hold where nothing else is asked for.
pub const ALWAYS: [&str; 2] = ["20250101000000Z", "20450101000000Z"];
const IDENTITY: &str = "distid:1234567812345678";
const SETTINGS: &str = "[ca]\ndefault_ca = one\n[one]\ndatabase = NAME.index\nnew_certs_dir = .\n\
    crlnumber = NAME.number\nrand_serial = yes\ndefault_md = sm3\npolicy = any\nunique_subject = no\n\
    crl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n[any]\ncommonName = supplied\n";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
    subjectKeyIdentifier=hash\n";

/// What a person's certificate for signing says, as accredited authorities issue it.
pub const PERSON: &str = "basicConstraints=CA:FALSE\n\
    keyUsage=critical,digitalSignature,nonRepudiation\nextendedKeyUsage=clientAuth,emailProtection\n";

/// An authority: files `NAME.pem` and `NAME.key` in a folder.
#[derive(Debug, Clone)]
pub struct Authority {
    folder: PathBuf,
    name: String,
}

/// What a certificate is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// From and to.
    pub time: [&'a str; 2],
    /// As in openssl's files of extensions.
    pub extensions: &'a str,
    /// The algorithm of its key: `SM2` or `RSA`.
    pub key: &'a str,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self {
            time: ALWAYS,
            extensions: PERSON,
            key: "SM2",
        }
    }
}

/// Whether this machine's openssl knows SM2; says so when not.
pub fn available() -> bool {
    let curves = Command::new("openssl")
        .args(["ecparam", "-list_curves"])
        .output();
    let found = curves.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("SM2"));
    if !found {
        eprintln!("skipped: no openssl with SM2 on this machine");
    }
    found
}

/// Runs openssl in a folder; whether it says yes, and what it prints.
pub fn run(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    let output = command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&told).into_owned(),
    )
}

fn must(folder: &Path, arguments: &[&str]) {
    let (done, told) = run(folder, arguments);
    assert!(done, "{arguments:?}: {told}");
}

/// A key and a request for its certificate.
fn request(folder: &Path, name: &str, algorithm: &str) {
    let (key, wanted, subject) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("/CN={name}"),
    );
    let path = folder.join(&key);
    // With a key that is there, it is renewed.
    if !path.exists() {
        must(folder, &["genpkey", "-algorithm", algorithm, "-out", &key]);
    }
    let begin = [
        "req", "-new", "-key", &key, "-subj", &subject, "-out", &wanted,
    ];
    let sign: &[&str] = if algorithm == "SM2" {
        &["-sm3", "-sigopt", IDENTITY]
    } else {
        &["-sha256"]
    };
    must(folder, &[&begin[..], sign].concat());
}

impl Authority {
    /// A root in a folder.
    pub fn root(folder: &Path, name: &str) -> Self {
        let made = Self::prepared(folder, name);
        request(folder, name, "SM2");
        let wish = Wish {
            extensions: AUTHORITY,
            ..Wish::default()
        };
        made.sign(name, wish, true);
        made
    }

    /// An authority under this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let made = Self::prepared(&self.folder, name);
        let wish = Wish {
            extensions: AUTHORITY,
            ..Wish::default()
        };
        self.issue(name, wish);
        made
    }

    fn prepared(folder: &Path, name: &str) -> Self {
        let write = |kind: &str, content: &str| {
            fs::write(folder.join(format!("{name}.{kind}")), content).unwrap();
        };
        write("cnf", &SETTINGS.replace("NAME", name));
        write("index", "");
        write("number", "01\n");
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Issues a certificate, whose key is in `NAME.key`; its PEM.
    pub fn issue(&self, name: &str, wish: Wish<'_>) -> String {
        request(&self.folder, name, wish.key);
        self.sign(name, wish, false);
        read(&self.folder, &format!("{name}.pem"))
    }

    fn sign(&self, name: &str, wish: Wish<'_>, own: bool) {
        fs::write(self.folder.join("extensions"), wish.extensions).unwrap();
        let [from, to] = wish.time;
        let names = [
            format!("{}.cnf", self.name),
            format!("{}.key", self.name),
            format!("{}.pem", self.name),
            format!("{name}.csr"),
            format!("{name}.pem"),
        ];
        let [settings, key, issuer, asked, made] = names.each_ref().map(String::as_str);
        let mut arguments = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            settings,
            "-keyfile",
            key,
            "-in",
            asked,
            "-out",
            made,
            "-extfile",
            "extensions",
            "-startdate",
            from,
            "-enddate",
            to,
            "-sigopt",
            IDENTITY,
        ];
        if own {
            arguments.push("-selfsign");
        } else {
            arguments.extend(["-cert", issuer]);
        }
        if wish.key == "SM2" {
            arguments.extend(["-vfyopt", IDENTITY]);
        }
        must(&self.folder, &arguments);
    }

    /// Takes a certificate back; the next list says so.
    pub fn revoke(&self, name: &str) {
        let taken = format!("{name}.pem");
        self.ca(&["-revoke", &taken]);
    }

    /// The list of what was taken back, in PEM, which holds from and to.
    pub fn list(&self, [from, to]: [&str; 2]) -> String {
        let file = format!("{}.list", self.name);
        let times = ["-crl_lastupdate", from, "-crl_nextupdate", to];
        let make = ["-gencrl", "-out", &file, "-sigopt", IDENTITY];
        self.ca(&[&make[..], &times].concat());
        read(&self.folder, &file)
    }

    fn ca(&self, arguments: &[&str]) {
        let (settings, key, own) = (
            format!("{}.cnf", self.name),
            format!("{}.key", self.name),
            format!("{}.pem", self.name),
        );
        let who = ["ca", "-config", &settings, "-keyfile", &key, "-cert", &own];
        must(&self.folder, &[&who[..], arguments].concat());
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        read(&self.folder, &format!("{}.pem", self.name))
    }
}

/// A file as a text.
pub fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}
