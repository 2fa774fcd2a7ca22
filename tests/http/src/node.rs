//! Another server beside one, on the same database, files and keys.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::{Built, Server};

/// Runs until it is dropped.
pub struct Node {
    process: Child,
    pub url: String,
}

impl Node {
    /// With the same configuration, in a role.
    pub fn beside(server: &Server, role: &str) -> Self {
        let built = Built::find().expect("what the first was started of");
        let mut command = Command::new(&built.bin);
        command
            .args(["serve", "--demo", "--port", "0", "--role", role])
            .arg("--plugins")
            .arg(built.guests.join("plugins"))
            .arg("--code")
            .arg(built.guests.join("code"))
            .args(server.place())
            .stdout(Stdio::piped());
        if let Some(config) = &server.start.config {
            command.arg("--config").arg(config);
        }
        let mut process = command.spawn().expect("the server starts");
        let said = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut said = said.map_while(Result::ok);
        let url = said.find_map(|line| Some(format!("http://{}", line.split_once("http://")?.1)));
        // Its output must be read to the end, or it would block when the pipe is full.
        std::thread::spawn(move || said.for_each(drop));
        Self {
            process,
            url: url.expect("the server says where it is"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
