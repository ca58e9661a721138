//! The pairs: all variants of a server measured one after the other, again and again.

use std::time::Duration;

use anyhow::ensure;
use fader_benches::random::Random;
use fader_benches::users;

use crate::client::{Ask, Client};
use crate::flags::{self, BARE};
use crate::report::{Measure, Row};
use crate::server::Server;
use crate::servers::{Framework, Variant};

/// How many connections are kept. Under a flood each has a request on its way.
const CONNECTIONS: usize = 16;

/// Over what time a [`Measure::P99OfSlice`] is taken.
const SLICE: Duration = Duration::from_millis(50);

/// How much is measured.
pub struct Effort {
    pub pairs: usize,
    /// The requests of a turn; each variant has two turns in a pair.
    flood: usize,
    /// How long the turn at half load is.
    half: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            pairs: 20,
            flood: 20_000,
            half: Duration::from_millis(500),
        }
    }
}

impl Effort {
    /// The least that asks everybody.
    pub fn test() -> Self {
        Self {
            pairs: 1,
            flood: 1_024,
            half: Duration::from_millis(10),
        }
    }
}

/// What a variant came to in one pair.
#[derive(Clone, Default)]
struct Turns {
    requests: u32,
    flooded: Duration,
    flooded_user: Duration,
    at_half: Duration,
    latencies: Vec<Duration>,
    /// The p99 of each slice.
    slices: Vec<Duration>,
}

/// Measures a framework.
pub fn measure(framework: Framework, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let rate = capacity(framework, effort)? / 2.0;
    let schedule = schedule(rate, effort.half);
    let name = framework.as_str();
    eprintln!("{name}: half load is {rate:.0} requests a second");
    let mut rows = Row::all(framework);
    for pair in 0..effort.pairs {
        let turns = Variant::ALL.map(|_| Turns::default());
        let turns = self::pair(framework, pair, effort, &schedule, turns)?;
        for row in &mut rows {
            let [base, other] = [row.base, row.other].map(|it| turns[it as usize].of(row.measure));
            row.add(base, other);
        }
        eprintln!("{name}: pair {} of {}", pair + 1, effort.pairs);
    }
    Ok(rows)
}

/// Returns the requests a second that the bare server answers at most.
fn capacity(framework: Framework, effort: &Effort) -> anyhow::Result<f64> {
    let asks = asks(Variant::Bare);
    let server = Server::start(framework, Variant::Bare)?;
    let mut client = Client::connect(server.address, CONNECTIONS, &asks)?;
    // The first is to warm up.
    let mut fastest = Duration::MAX;
    client.flood(effort.flood)?;
    for _ in 0..5 {
        fastest = fastest.min(client.flood(effort.flood)?);
    }
    Ok(effort.flood as f64 / fastest.as_secs_f64())
}

/// Lets each variant have its turns, in an order that is another one in each pair and then the same backwards. The
/// servers are new ones, since one may have better luck than another with where its memory lies.
fn pair(
    framework: Framework,
    pair: usize,
    effort: &Effort,
    schedule: &[Duration],
    mut turns: [Turns; 4],
) -> anyhow::Result<[Turns; 4]> {
    let asks = Variant::ALL.map(asks);
    let mut servers = Vec::new();
    for (variant, asks) in Variant::ALL.into_iter().zip(&asks) {
        let server = Server::start(framework, variant)?;
        let mut client = Client::connect(server.address, CONNECTIONS, asks)?;
        client.flood(effort.flood / 4)?;
        servers.push((server, client));
    }
    let mut order: Vec<usize> = (0..Variant::ALL.len()).collect();
    order.rotate_left(pair % Variant::ALL.len());
    let backwards = order.clone().into_iter().rev();
    for at in order.into_iter().chain(backwards) {
        let (server, client) = &mut servers[at];
        let turn = &mut turns[at];
        let before = server.done()?;
        client.flood(effort.flood)?;
        let between = server.done()?;
        turn.note(client.keep_to(schedule)?, schedule);
        let after = server.done()?;
        turn.requests += u32::try_from(effort.flood)?;
        turn.flooded += (between - before).cpu;
        turn.flooded_user += (between - before).user;
        turn.at_half += (after - between).cpu;
    }
    // A controller counts what it looks at, once a second.
    std::thread::sleep(Duration::from_millis(1_500));
    for (variant, (server, _)) in Variant::ALL.into_iter().zip(&mut servers) {
        // Everybody is drawn for one guarded flag, and some for two.
        let requests = effort.flood / 4 + 2 * (effort.flood + schedule.len());
        let told = server.done()?.told;
        let is_told = told >= requests as u64;
        let is_watched = matches!(variant, Variant::Outcomes | Variant::Controller);
        ensure!(
            if is_watched { is_told } else { told == 0 },
            "{told} outcomes were told of {requests} requests"
        );
    }
    for turn in &mut turns {
        turn.latencies.sort_unstable();
        turn.slices.sort_unstable();
    }
    Ok(turns)
}

impl Turns {
    /// Takes the latencies of a schedule, in the order of the answers.
    fn note(&mut self, latencies: Vec<Duration>, schedule: &[Duration]) {
        let count = schedule.partition_point(|due| *due < SLICE).max(1);
        for slice in latencies.chunks(count).filter(|slice| slice.len() == count) {
            let mut slice = slice.to_vec();
            slice.sort_unstable();
            self.slices.push(at(&slice, 0.99));
        }
        self.latencies.extend(latencies);
    }

    /// Returns a figure, in microseconds.
    fn of(&self, measure: Measure) -> f64 {
        let latency = |share| at(&self.latencies, share);
        let time = match measure {
            Measure::CpuFlooded => self.flooded / self.requests,
            Measure::UserFlooded => self.flooded_user / self.requests,
            Measure::CpuAtHalf => self.at_half / self.latencies.len() as u32,
            Measure::Median => latency(0.5),
            Measure::P99 => latency(0.99),
            Measure::P99OfSlice => at(&self.slices, 0.5),
        };
        time.as_secs_f64() * 1e6
    }
}

/// Returns the one of sorted latencies below which so large a share lies.
fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[(sorted.len() as f64 * share) as usize]
}

/// Returns what each user asks a variant, and has to be answered.
fn asks(variant: Variant) -> Vec<Ask> {
    let users = users();
    let ask = users.iter().map(|user| Ask {
        request: flags::request(user),
        answer: match variant {
            Variant::Bare => BARE,
            Variant::Layer | Variant::Outcomes | Variant::Controller => flags::expected(user),
        },
    });
    ask.collect()
}

/// Returns when requests are due: as independent clients send them, with exponential gaps; the same in every turn.
fn schedule(rate: f64, duration: Duration) -> Vec<Duration> {
    let mut random = Random::new(11);
    let mut at = 0.0;
    let due = std::iter::from_fn(|| {
        // Above 0 and at most 1.
        let uniform = ((random.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        at -= uniform.ln() / rate;
        Some(Duration::from_secs_f64(at))
    });
    due.take_while(|due| *due < duration).collect()
}
