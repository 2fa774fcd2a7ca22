//! Whether the clock is right, by a time server (SNTP: RFC 4330, and RFC 5905, 14). It is only asked, never
//! set: that is the work of the machine's own time service, whose failure this is there to notice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kernel_host::clock::Clock;
use serde::Deserialize;
use tokio::net::UdpSocket;

/// Between two questions.
const EVERY: Duration = Duration::from_mins(10);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const PORT: u16 = 123;
/// Bytes of a message.
const LENGTH: usize = 48;
/// Version 4, from a client.
const QUESTION: u8 = (4 << 3) | 3;
/// Of an answer: the mode of a server, and what it says of its own clock when that is not set.
const SERVER: u8 = 4;
const UNSET: u8 = 3;
/// Seconds from 1900 to 1970.
const TO_1970: i64 = 2_208_988_800;

/// `[clock]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClockConfig {
    /// `HOST[:PORT]` of a time server; empty is none.
    server: String,
    /// Milliseconds that the clock may be away from its time.
    alarm_ms: u32,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            server: String::new(),
            alarm_ms: 1_000,
        }
    }
}

impl ClockConfig {
    pub(crate) fn check(&self, clock: Arc<dyn Clock>) -> Option<ClockCheck> {
        (!self.server.is_empty()).then(|| ClockCheck {
            server: self.server.clone(),
            alarm: i64::from(self.alarm_ms) * 1_000,
            clock,
        })
    }
}

/// Asks one server, now and then.
pub(crate) struct ClockCheck {
    server: String,
    /// In microseconds.
    alarm: i64,
    clock: Arc<dyn Clock>,
}

/// How far the server's clock is ahead of ours, in microseconds, and by how much that may be wrong at
/// the most, for an answer may have been longer on one of its two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    ahead: i64,
    doubt: i64,
}

impl ClockCheck {
    pub(crate) async fn run(self) {
        loop {
            self.look().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn look(&self) {
        match self.ask().await {
            Ok(Offset { ahead, doubt }) if ahead.abs().saturating_sub(doubt) > self.alarm => {
                let ms = ahead / 1_000;
                tracing::error!(
                    code = "clock.offset",
                    offset_ms = ms,
                    "the clock is {} ms {} {}'s: set the machine's time service right",
                    ms.abs(),
                    if ms > 0 { "behind" } else { "ahead of" },
                    self.server
                );
            }
            Ok(Offset { ahead, .. }) => {
                tracing::info!(code = "clock.right", offset_ms = ahead / 1_000, "the clock");
            }
            Err(error) => tracing::warn!(
                code = "clock.unchecked",
                "the clock was not compared with {}'s: {error:#}",
                self.server
            ),
        }
    }

    async fn ask(&self) -> Result<Offset> {
        let (host, port) = match self.server.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (host, port.parse()?),
            _ => (self.server.as_str(), PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let to = tokio::net::lookup_host((host, port)).await?.next();
        let to = to.context("it has no address")?;
        let own = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own).await?;
        // From then on no other's answer is taken.
        socket.connect(to).await?;
        let mut question = [0; LENGTH];
        question[0] = QUESTION;
        // Not our time, which is nobody's business, but a number that the answer must repeat.
        let mut stamp = [0; 8];
        kernel_crypto::random::fill(&mut stamp)?;
        question[40..].copy_from_slice(&stamp);
        let sent = self.clock.now().micros();
        socket.send(&question).await?;
        let mut answer = [0; LENGTH + 1];
        let read = tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await;
        let length = read.context("it does not answer")??;
        let came = self.clock.now().micros();
        ensure!(length >= LENGTH, "its answer is too short");
        let (answer, _) = answer
            .split_first_chunk()
            .context("its answer is too short")?;
        read_answer(answer, stamp, (sent, came))
    }
}

/// What an answer says, which came at a moment to a question sent at one.
fn read_answer(answer: &[u8; LENGTH], stamp: [u8; 8], (sent, came): (i64, i64)) -> Result<Offset> {
    let (leap, mode, stratum) = (answer[0] >> 6, answer[0] & 7, answer[1]);
    ensure!(mode == SERVER, "it is no time server's answer");
    ensure!(answer[24..32] == stamp, "it answers another question");
    // Stratum 0 is a refusal, 16 one that has no time.
    ensure!(
        leap != UNSET && (1..16).contains(&stratum),
        "its own clock is not set"
    );
    let received = micros(answer, 32, sent)?;
    let answered = micros(answer, 40, sent)?;
    let (way, work) = (came - sent, answered - received);
    Ok(Offset {
        ahead: i64::midpoint(received - sent, answered - came),
        doubt: ((way - work) / 2).max(0),
    })
}

/// A timestamp of an answer in microseconds since 1970: of the eras of 136 years that it may be of, the
/// one that is nearest.
fn micros(answer: &[u8; LENGTH], at: usize, near: i64) -> Result<i64> {
    let part = |at: usize| {
        let bytes = answer.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_be_bytes)
    };
    let (seconds, fraction) = part(at)
        .zip(part(at + 4))
        .context("its answer is too short")?;
    ensure!((seconds, fraction) != (0, 0), "it says no time");
    let near_seconds = near.div_euclid(1_000_000);
    // Both in the seconds of 32 bits since 1900; the difference is read with its sign.
    let ours = u32::try_from((near_seconds + TO_1970).rem_euclid(1 << 32))?;
    let away = i64::from(seconds.wrapping_sub(ours).cast_signed());
    let micros = (i64::from(fraction) * 1_000_000) >> 32;
    Ok((near_seconds + away) * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T00:00:00Z.
    const NOW: i64 = 1_795_996_800_000_000;
    const STAMP: [u8; 8] = *b"question";

    /// An answer of a server whose clock is ahead by so many microseconds, received and sent at once.
    fn answer(at: i64) -> [u8; LENGTH] {
        let mut answer = [0; LENGTH];
        (answer[0], answer[1]) = ((4 << 3) | SERVER, 2);
        answer[24..32].copy_from_slice(&STAMP);
        let seconds = u32::try_from((at / 1_000_000 + TO_1970) % (1 << 32)).unwrap();
        let fraction = u32::try_from(((at % 1_000_000) << 32) / 1_000_000).unwrap();
        for from in [32, 40] {
            answer[from..from + 4].copy_from_slice(&seconds.to_be_bytes());
            answer[from + 4..from + 8].copy_from_slice(&fraction.to_be_bytes());
        }
        answer
    }

    #[test]
    fn the_offset_is_half_way_between_question_and_answer() {
        let way = 20_000;
        for ahead in [0, 1_500_000, -1_500_000, 86_400_000_000] {
            let told = answer(NOW + way / 2 + ahead);
            let offset = read_answer(&told, STAMP, (NOW, NOW + way)).unwrap();
            assert!((offset.ahead - ahead).abs() <= 1, "{offset:?}");
            assert_eq!(offset.doubt, way / 2);
        }
    }

    #[test]
    fn the_second_era_begins_in_2036() {
        // 2036-02-07T06:28:16Z, where 32 bits of seconds are full.
        let turn = ((1 << 32) - TO_1970) * 1_000_000;
        for now in [turn - 2_000_000, turn + 2_000_000] {
            // Not of the turn itself: a time of nothing but zeros is none.
            let told = turn + 1_000_000;
            let offset = read_answer(&answer(told), STAMP, (now, now)).unwrap();
            assert!((offset.ahead - (told - now)).abs() <= 1, "{offset:?}");
        }
    }

    #[test]
    fn an_answer_that_is_none_is_not_believed() {
        let good = answer(NOW);
        assert!(read_answer(&good, *b"another?", (NOW, NOW)).is_err());
        for (at, byte) in [
            (0, QUESTION),
            (0, (3 << 6) | (4 << 3) | SERVER),
            (1, 0),
            (1, 16),
        ] {
            let mut bad = good;
            bad[at] = byte;
            assert!(read_answer(&bad, STAMP, (NOW, NOW)).is_err(), "{at} {byte}");
        }
        let mut silent = good;
        silent[40..].fill(0);
        assert!(read_answer(&silent, STAMP, (NOW, NOW)).is_err());
    }
}
