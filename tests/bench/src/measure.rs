//! Taking times: an operation and what it stands beside, in turn, so that a machine whose speed
//! drifts slows both down alike.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// What one operation took. Times are in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Processor time of each operation; zero where it was not taken.
    pub(crate) cpu: f64,
}

/// An operation beside its baseline.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pair {
    pub(crate) ours: Figures,
    pub(crate) bare: Figures,
    /// How many times the baseline's time one operation takes: the median over the rounds.
    pub(crate) ratio: f64,
}

impl Figures {
    /// From every operation's time and the time of all of them.
    pub(crate) fn of(mut times: Vec<Duration>, all: Duration, cpu: Duration) -> Self {
        times.sort_unstable();
        let count = times.len().max(1) as f64;
        Self {
            per_second: times.len() as f64 / all.as_secs_f64(),
            p50: micros(rank(&times, 0.5)),
            p99: micros(rank(&times, 0.99)),
            cpu: micros(cpu) / count,
        }
    }

    /// The same, of one of `parts` that each operation was made of.
    pub(crate) fn each_of(self, parts: f64) -> Self {
        Self {
            per_second: self.per_second * parts,
            p50: self.p50 / parts,
            p99: self.p99 / parts,
            cpu: self.cpu / parts,
        }
    }

    fn middle(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            per_second: of(|f| f.per_second),
            p50: of(|f| f.p50),
            p99: of(|f| f.p99),
            cpu: of(|f| f.cpu),
        }
    }
}

impl Pair {
    /// From rounds of both.
    pub(crate) fn of(rounds: &[(Figures, Figures)]) -> Self {
        let (ours, bare): (Vec<_>, Vec<_>) = rounds.iter().copied().unzip();
        let ratios = rounds.iter().map(|(a, b)| b.per_second / a.per_second);
        Self {
            ours: Figures::middle(&ours),
            bare: Figures::middle(&bare),
            ratio: median(ratios.collect()),
        }
    }
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn rank(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How long and how often to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) slice: Duration,
}

/// Runs both, one call after the other, in turns.
pub(crate) async fn beside(
    plan: Plan,
    ours: impl AsyncFn() -> Result<()>,
    bare: impl AsyncFn() -> Result<()>,
) -> Result<Pair> {
    ours().await?;
    bare().await?;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        rounds.push((
            alone(plan.slice, &ours).await?,
            alone(plan.slice, &bare).await?,
        ));
    }
    Ok(Pair::of(&rounds))
}

/// Runs one call after the other.
pub(crate) async fn alone(slice: Duration, call: impl AsyncFn() -> Result<()>) -> Result<Figures> {
    let mut times = Vec::new();
    let (began, before) = (Instant::now(), crate::machine::own_cpu());
    while began.elapsed() < slice {
        let one = Instant::now();
        call().await?;
        times.push(one.elapsed());
    }
    let cpu = crate::machine::own_cpu().saturating_sub(before);
    Ok(Figures::of(times, began.elapsed(), cpu))
}

/// Runs calls from `clients` tasks at once.
pub(crate) async fn crowd<F>(
    clients: u32,
    slice: Duration,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Figures>
where
    F: Future<Output = Result<()>> + Send,
{
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..clients {
        let call = call.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < slice {
                let one = Instant::now();
                call().await?;
                times.push(one.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(Figures::of(times, began.elapsed(), Duration::ZERO))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "the figures are exact here")]

    use super::*;

    #[test]
    fn figures_are_ranks_and_rates() {
        let times = (1..=100).map(Duration::from_micros).collect();
        let f = Figures::of(times, Duration::from_millis(10), Duration::from_millis(1));
        assert_eq!(
            (f.p50, f.p99, f.per_second, f.cpu),
            (51.0, 99.0, 10_000.0, 10.0)
        );
        assert_eq!(f.each_of(2.0).per_second, 20_000.0);
    }

    #[test]
    fn the_ratio_is_the_middle_round() {
        let at = |per_second| Figures {
            per_second,
            ..Figures::default()
        };
        let rounds = [
            (at(10.0), at(20.0)),
            (at(10.0), at(30.0)),
            (at(1.0), at(90.0)),
        ];
        assert_eq!(Pair::of(&rounds).ratio, 3.0);
    }
}
