//! Writes the hostile models into a folder, `<name>.wasm` each.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Ok(ExitCode::FAILURE);
    };
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in tests_guests::hostile_models() {
        std::fs::write(folder.join(format!("{name}.wasm")), bytes)?;
    }
    Ok(ExitCode::SUCCESS)
}
