//! The platform in a network of its own, without any way out: it starts, serves, and no page asks
//! anybody else for anything.
use std::process::Command;

use tests_http::Built;

/// Raises the loopback, serves, and follows whatever a page loads.
const INSIDE: &str = r#"
import fcntl, re, socket, struct, subprocess, sys, urllib.parse, urllib.request
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x49))
try:
    socket.create_connection(('192.0.2.1', 80), 3); sys.exit('there is a way out')
except OSError: pass
server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
url = next('http://' + line.split('http://')[1].strip() for line in server.stdout if 'http://' in line)
seen, left = set(), ['/', '/login', '/market/products', '/healthz']
while left:
    path = left.pop()
    if path in seen: continue
    seen.add(path)
    with urllib.request.urlopen(url + path, timeout=60) as answer:
        kind, text = answer.headers['content-type'], answer.read().decode('utf-8', 'replace')
        policy = answer.headers['content-security-policy']
    assert "default-src 'none'" in policy and '*' not in policy and 'http' not in policy, policy
    loads = {'text/html': r'<(?:script|img|link|iframe|source)[^>]*?\s(?:src|href)="([^"]+)"',
             'text/css': r'url\(["\']?([^"\')]+)'}.get(kind.split(';')[0])
    for to in re.findall(loads, text) if loads else []:
        if to.startswith(('data:', '#')): continue
        to = urllib.parse.urljoin(path, to)
        assert to.startswith('/') and not to.startswith('//'), (path, to)
        left.append(to.split('#')[0])
server.kill()
assert sum(path.startswith('/assets/') for path in seen) >= 3, seen
print('alone')
"#;

#[test]
fn ds_02_it_works_without_a_way_out_and_asks_nobody_else() {
    let Some(built) = Built::find() else { return };
    let alone = Command::new("unshare").args(["-rn", "true"]).status();
    if !alone.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine gives no network of one's own (unshare -rn)");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let out = Command::new("unshare")
        .args(["-rn", "python3", "-c", INSIDE])
        .arg(&built.bin)
        .args(["serve", "--demo", "--port", "0", "--plugins"])
        .arg(built.guests.join("plugins"))
        .arg("--code")
        .arg(built.guests.join("code"))
        .arg("--data")
        .arg(data.path())
        .arg("--keys")
        .arg(built.guests.join("keys"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && said.contains("alone"),
        "{said}{errors}"
    );
}
