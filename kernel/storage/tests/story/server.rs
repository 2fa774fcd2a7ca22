//! A `PostgreSQL` of a test's own, to be killed, started and starved.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::Connection as _;

pub(crate) struct Server {
    child: Child,
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// None, with the reason said, where its programs or the tools to run it are missing.
    pub(crate) async fn start() -> Option<Self> {
        let Some(bin) = programs() else {
            println!("skipped: no PostgreSQL programs under /usr/lib/postgresql");
            return None;
        };
        let runs = runs();
        if matches!(runs, Runs::Not) {
            println!("skipped: PostgreSQL does not run as root, and setpriv is missing");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        if let Runs::As(user) = runs {
            run(Command::new("chown").arg(&user).arg(dir.path()));
        }
        let made = programs_as(&bin.join("initdb"))
            .arg("-D")
            .arg(dir.path().join("data"))
            .args([
                "-U",
                "story",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ])
            // Small, so that a bound on the size of files leaves the log alone.
            .arg("--wal-segsize=1")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = launch(&bin, dir.path(), port);
        let server = Self {
            child,
            bin,
            dir,
            port,
        };
        server.answers().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://story@127.0.0.1:{}/postgres", self.port)
    }

    /// Has it take connections under TLS alone, and gives the file of the certificate it shows. None, with
    /// the reason said, where there is no `openssl` to make one.
    pub(crate) async fn secure(&self) -> Option<PathBuf> {
        let data = self.dir.path().join("data");
        let certificate = data.join("server.crt");
        let made = programs_as(Path::new("openssl"))
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(data.join("server.key"))
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|made| made.success()) {
            println!("skipped: the command openssl makes no certificate");
            return None;
        }
        let only = "hostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(data.join("pg_hba.conf"), only).unwrap();
        let mut conn = sqlx::PgConnection::connect(&self.url()).await.unwrap();
        for told in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            sqlx::query(told).execute(&mut conn).await.unwrap();
        }
        // In plain it takes none once it has heard.
        let plain = format!("{}?sslmode=disable", self.url());
        while sqlx::PgConnection::connect(&plain).await.is_ok() {
            tokio::task::yield_now().await;
        }
        Some(certificate)
    }

    /// Ends it at once, as a crash does, and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        self.child = launch(&self.bin, self.dir.path(), self.port);
        self.answers().await;
    }

    /// Immediate shutdown: no checkpoint, recovery at the next start.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-QUIT", &pid]).status();
        assert!(told.unwrap().success());
        self.child.wait().unwrap();
    }

    /// Has it archive its log and makes a base backup, as docs/operations.md says.
    pub(crate) async fn archive(&mut self) {
        let archive = self.archived();
        run(programs_as(Path::new("mkdir")).arg(&archive));
        let at = archive.display();
        self.configure(&format!(
            "wal_level = replica\narchive_mode = on\n\
             archive_command = 'test ! -f {at}/%f && cp %p {at}/%f'\n"
        ));
        self.restart().await;
        let base = self.dir.path().join("base");
        let mut made = programs_as(&self.bin.join("pg_basebackup"));
        made.arg("-D").arg(&base);
        made.args(["-X", "stream", "-c", "fast", "-h", "127.0.0.1"]);
        made.args(["-U", "story", "-p", &self.port.to_string()]);
        run(made.current_dir(self.dir.path()));
        run(programs_as(&self.bin.join("pg_verifybackup"))
            .arg("--quiet")
            .arg(&base)
            .current_dir(self.dir.path()));
    }

    /// Starts anew from the base backup, up to a moment of the log.
    pub(crate) async fn go_back(&mut self, moment: &str) {
        let last: String = self.ask("SELECT pg_walfile_name(pg_switch_wal())").await;
        let archived = "SELECT last_archived_wal FROM pg_stat_archiver";
        while self.ask::<Option<String>>(archived).await.as_ref() != Some(&last) {
            tokio::task::yield_now().await;
        }
        self.stop();
        let (data, base) = (self.dir.path().join("data"), self.dir.path().join("base"));
        std::fs::rename(&data, self.dir.path().join("lost")).unwrap();
        std::fs::rename(base, &data).unwrap();
        let at = self.archived();
        self.configure(&format!(
            "restore_command = 'cp {}/%f %p'\nrecovery_target_time = '{moment}'\n\
             recovery_target_action = 'promote'\n",
            at.display()
        ));
        run(programs_as(Path::new("touch")).arg(data.join("recovery.signal")));
        self.child = launch(&self.bin, self.dir.path(), self.port);
        self.answers().await;
        while self.ask("SELECT pg_is_in_recovery()").await {
            tokio::task::yield_now().await;
        }
    }

    /// What the database says now.
    pub(crate) async fn ask<T>(&self, question: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut conn = sqlx::PgConnection::connect(&self.url()).await.unwrap();
        let answer = sqlx::query_scalar(question).fetch_one(&mut conn).await;
        answer.unwrap()
    }

    fn archived(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn configure(&self, lines: &str) {
        let file = self.dir.path().join("data/postgresql.conf");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str(lines);
        std::fs::write(&file, text).unwrap();
    }

    /// Bounds the size of every file that any of its processes writes, or lifts the bound.
    pub(crate) fn limit_files(&self, most: Option<u64>) {
        let most = most.map_or("unlimited".to_owned(), |m| m.to_string());
        let mine = self.child.id().to_string();
        let children = Command::new("pgrep").args(["-P", &mine]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        for pid in children.lines().chain([mine.as_str()]) {
            // As its owner, and only the soft limit, so that it needs no privilege and can be lifted.
            let done = programs_as(Path::new("prlimit"))
                .args(["--pid", pid, &format!("--fsize={most}:unlimited")])
                .output()
                .unwrap();
            // A connection's process may have ended meanwhile.
            assert!(done.status.success() || pid != mine, "{done:?}");
        }
    }

    async fn answers(&self) {
        loop {
            match sqlx::PgConnection::connect(&self.url()).await {
                Ok(conn) => return conn.close().await.unwrap(),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(bin: &Path, dir: &Path, port: u16) -> Child {
    programs_as(&bin.join("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(dir)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap()
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(Result::ok)
        .map(|v| v.path().join("bin"))
        .find(|bin| bin.join("initdb").exists())
}

/// How the server's programs run: they refuse to do so as root.
enum Runs {
    AsWeAre,
    As(String),
    Not,
}

fn runs() -> Runs {
    let good = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout != b"0\n") {
        return Runs::AsWeAre;
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find(|user| good(Command::new("id").arg(user)));
    match user {
        Some(user) if good(Command::new("setpriv").arg("--version")) => Runs::As(user.to_owned()),
        _ => Runs::Not,
    }
}

/// A program of the server, as a user it agrees to run as.
fn programs_as(program: &Path) -> Command {
    match runs() {
        Runs::As(user) => {
            let mut command = Command::new("setpriv");
            command
                .args([&format!("--reuid={user}"), "--clear-groups", "--"])
                .arg(program);
            command
        }
        Runs::AsWeAre | Runs::Not => Command::new(program),
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
