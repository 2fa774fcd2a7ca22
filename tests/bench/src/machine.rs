//! What the machine is and what it spends: all from `/proc`, no names and no paths.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// Ticks a second of the times in `/proc`, fixed by the kernel's interface on Linux.
const TICKS: u64 = 100;

/// One line for each fact.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find_map(|l| l.strip_prefix(key));
        found
            .unwrap_or_default()
            .trim_matches([' ', '\t', ':'])
            .to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = line("/proc/meminfo", "MemTotal");
    let memory: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    vec![
        ("Processor", line("/proc/cpuinfo", "model name")),
        ("Cores", cores.to_string()),
        (
            "Memory",
            format!("{:.1} GiB", memory as f64 / 1024.0 / 1024.0),
        ),
        (
            "Kernel",
            format!("Linux {}", line("/proc/sys/kernel/osrelease", "")),
        ),
        ("Compiler", rustc.unwrap_or_default()),
        ("Profile", profile().into()),
    ]
}

/// `./x bench` builds in the release profile; a trial in another must not pass for it.
fn profile() -> &'static str {
    if cfg!(debug_assertions) {
        "**not release**: a trial with debug assertions, slower than what ships"
    } else {
        "release"
    }
}

/// Processor time of this process's threads, to the nanosecond; of threads that ended, nothing.
pub(crate) fn own_cpu() -> Duration {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let nanos = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Processor time of a process with all its threads, to the tick.
pub(crate) fn cpu(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The command's name may hold spaces; it ends with the last parenthesis.
    let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok());
    ticks_to_time(ticks.sum())
}

/// A memory figure of a process in MiB: `VmRSS`, or `VmHWM` for the most it had.
pub(crate) fn memory(process: u32, figure: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(figure))
        .unwrap_or_default();
    let kib = line.split_whitespace().find_map(|w| w.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// The share of all cores that is busy while this process waits: what others do.
pub(crate) async fn others() -> f64 {
    let before = busy();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = busy();
    let (busy, all) = (after.0 - before.0, after.1 - before.1);
    busy as f64 / all.max(1) as f64
}

/// Ticks that all cores worked, and ticks there were.
fn busy() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    let all = ticks.iter().take(8).sum();
    // The fourth and fifth are idling and waiting for a disk.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// How long one small write takes to be durable on the disk that `folder` is on: the median.
pub(crate) fn sync_time(folder: &std::path::Path) -> std::io::Result<Duration> {
    use std::io::Write as _;
    let mut file = fs::File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        file.write_all(&[7; 4096])?;
        let began = std::time::Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
