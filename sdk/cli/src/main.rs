//! `rongqiao-plugin`: what an author of a plugin or of a bank's model needs, from nothing to a
//! component that the platform takes.
//!
//! It knows the contract and the interfaces, not the kernel: a component runs here in an
//! interpreter with nothing behind its imports ([`sandbox`]). What only the platform can tell
//! (stored data, other plugins, people) is told by scenarios and by a running server.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to the terminal"
)]

mod build;
mod check;
mod new;
mod project;
mod sandbox;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::project::Project;

#[derive(Parser)]
#[command(
    name = "rongqiao-plugin",
    about = "For authors of plugins and of scoring models"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Begin a plugin, or a scoring model, that passes its own tests
    New {
        /// Lower-case letters, digits and inner hyphens
        name: String,
        /// A bank's scoring model instead of a plugin
        #[arg(long)]
        model: bool,
        /// The language to begin in
        #[arg(long, value_enum, default_value_t = Lang::Rust)]
        lang: Lang,
        /// The platform's checkout, which has the SDK (the one around this folder if absent)
        #[arg(long)]
        checkout: Option<PathBuf>,
    },
    /// Make the component, and write what is generated from its declaration
    Build {
        /// The folder of the plugin or model
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where the component goes (inside the checkout: where `./x run` looks; else `dist/`)
        #[arg(long)]
        out: Option<PathBuf>,
        /// Write no generated file; fail if one is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Build, then say what the platform will say: imports, size, capabilities, declaration, pages
    Check {
        /// The folder of the plugin or model
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Run the scenarios and unit tests on the mock host
    Test {
        /// The folder of the plugin or model
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Handed to `cargo test`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Lang {
    Rust,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rongqiao-plugin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is as it should be.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::New {
            name,
            model,
            lang: Lang::Rust,
            checkout,
        } => {
            for line in new::create(&name, model, checkout.as_deref())? {
                println!("{line}");
            }
            Ok(true)
        }
        Command::Build { folder, out, check } => {
            let project = Project::open(&folder)?;
            let built = build::component(&project, out.as_deref())?;
            println!("{built}\n{}", built.path.display());
            let changed = build::generated(&project, &built, check)?;
            for path in &changed {
                let what = if check {
                    "is not up to date"
                } else {
                    "written"
                };
                println!("{}: {what}", path.display());
            }
            Ok(!check || changed.is_empty())
        }
        Command::Check { folder } => {
            let project = Project::open(&folder)?;
            let built = build::component(&project, None)?;
            let report = check::component(&project, &built)?;
            print!("{report}");
            Ok(report.passed())
        }
        Command::Test { folder, arguments } => test::run(&Project::open(&folder)?, &arguments),
    }
}
