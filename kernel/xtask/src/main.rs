//! The repository's own tasks: building guests, rebuilding them on a save, writing what is
//! generated, and checking the shape of the tree. Nothing here is part of the product, and nothing
//! of the kernel is named here, so that these tasks build in seconds.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to the terminal"
)]

mod dev;
mod generate;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use sdk_build::guests::{self, Guest};
use sdk_build::place::Place;

#[derive(Parser)]
#[command(name = "xtask", about = "Tasks of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build plugins and example models into components
    Guests {
        /// Only these: a plugin's or a model's name (all if absent)
        #[arg(long, num_args = 1..)]
        only: Vec<String>,
        /// Where the components go (the cache's `guests` folder if absent)
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Rebuild a guest whenever its source is saved; a running server reloads it
    Dev {
        /// Where the components go (the cache's `guests` folder if absent)
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Write the files that are generated: schemas, error codes, configuration, plugins' READMEs
    Gen {
        /// Write nothing; fail if a file is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Check the shape of the repository
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let place = Place::find()?;
    match task {
        Task::Guests { only, out } => {
            let all = Guest::all(place.root())?;
            let chosen = guests::choose(&all, &only)?;
            let out = out.unwrap_or_else(|| place.guests());
            for line in guests::build(&place, &chosen, &out)? {
                println!("{line}");
            }
            if only.is_empty() {
                guests::prune(&all, &out)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Dev { out } => {
            let out = out.unwrap_or_else(|| place.guests());
            dev::watch(&place, &out)
        }
        Task::Gen { check } => {
            let changed = generate::run(place.root(), check)?;
            for path in &changed {
                println!("{}", path.display());
            }
            if check && !changed.is_empty() {
                println!(
                    "gen: {} files are not up to date; run cargo xtask gen",
                    changed.len()
                );
                return Ok(ExitCode::FAILURE);
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Tidy => {
            let findings = tidy::check(&tidy::Repo::open(place.root())?)?;
            for finding in &findings {
                println!("{finding}");
            }
            match findings.len() {
                0 => Ok(ExitCode::SUCCESS),
                count => {
                    println!("tidy: {count} findings");
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}
