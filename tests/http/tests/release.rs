//! A server that is told of a release serves that release and nothing else.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tests_http::{Built, Server, Start};

/// What a publisher does, with the tools and words of docs/operations.md.
fn publish(folder: &Path, built: &Built, plugins: &Path) -> PathBuf {
    let (listed, list) = built.run(&["release", "list", "--plugins", plugins.to_str().unwrap()]);
    assert!(listed, "{list}");
    std::fs::write(folder.join("release.txt"), list).unwrap();
    let shell = "openssl genpkey -algorithm SM2 -out publisher.key &&
        openssl pkey -in publisher.key -pubout -out publisher.pem &&
        openssl dgst -sm3 -sign publisher.key -sigopt distid:1234567812345678 \
            -out release.sig release.txt";
    let done = Command::new("sh")
        .args(["-c", shell])
        .current_dir(folder)
        .output();
    let done = done.unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    let config = folder.join("rongqiao.toml");
    let at = folder.display();
    let text = format!(
        "[release]\nlist = '{at}/release.txt'\nsignature = '{at}/release.sig'\nkey = '{at}/publisher.pem'\n"
    );
    std::fs::write(&config, text).unwrap();
    config
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn dj_13_a_modified_program_or_plugin_does_not_start() {
    let Some(built) = Built::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    copy(&built.guests.join("plugins"), &plugins);
    let config = publish(folder.path(), &built, &plugins);
    let start = Start {
        plugins: Some(plugins.clone()),
        config: Some(config.clone()),
        ..Start::default()
    };
    drop(Server::start_as(start).unwrap());

    let refused = |by: &Built| {
        let data = folder.path().join("data");
        let (served, said) = by.run(&[
            "serve",
            "--port",
            "0",
            "--data",
            data.to_str().unwrap(),
            "--plugins",
            plugins.to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ]);
        assert!(!served, "{said}");
        assert!(!data.exists(), "nothing is made of what is refused");
        said
    };
    let component = plugins.join("credit/component.wasm");
    let whole = std::fs::read(&component).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&component, changed).unwrap();
    let said = refused(&built);
    assert!(
        said.contains("plugins/credit/component.wasm is another"),
        "{said}"
    );
    std::fs::write(&component, whole).unwrap();

    copy(&plugins.join("credit"), &plugins.join("guest"));
    let said = refused(&built);
    assert!(
        said.contains("plugins/guest/plugin.toml is not on it"),
        "{said}"
    );
    std::fs::remove_dir_all(plugins.join("guest")).unwrap();

    let park = folder.path().join("park");
    std::fs::rename(plugins.join("park"), &park).unwrap();
    let said = refused(&built);
    assert!(
        said.contains("plugins/park/component.wasm is not here"),
        "{said}"
    );
    std::fs::rename(&park, plugins.join("park")).unwrap();

    // The program with one byte more, which it does not even read.
    let mut bytes = std::fs::read(&built.bin).unwrap();
    bytes.push(0);
    let modified = Built {
        bin: folder.path().join("rongqiao"),
        ..built.clone()
    };
    std::fs::copy(&built.bin, &modified.bin).unwrap();
    std::fs::write(&modified.bin, bytes).unwrap();
    let said = refused(&modified);
    assert!(said.contains("rongqiao is another"), "{said}");

    // A list that somebody mended is not what was signed.
    let list = folder.path().join("release.txt");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{text}\n")).unwrap();
    let said = refused(&built);
    assert!(said.contains("is not signed by the key"), "{said}");
    std::fs::remove_file(&list).unwrap();
    let said = refused(&built);
    assert!(said.contains("release.txt cannot be read"), "{said}");
}
