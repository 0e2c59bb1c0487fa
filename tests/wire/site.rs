//! The border between a controller and everything else: each call crosses it at one moment, and there it can be struck.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use stackgate::clock::{SharedClock, TimerClock};
use tokio::sync::Notify;

use crate::{ground::Ground, values::must_not_tell};

/// How long a call takes to get there, and its answer to come back.
const WAY: Duration = Duration::from_millis(20);

/// What befalls a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is refused with this code, and not carried out.
    Refused(u16, &'static str),
    /// It is carried out or not, and the answer is this code.
    Failed(u16, bool),
    /// It is carried out or not, and the connection breaks.
    Reset(bool),
}

/// A call, as far as it matters to what befalls it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// What it is, in words.
    pub what: String,
    /// Whether it changes something.
    pub changes: bool,
    /// Whether it goes to the API server.
    pub kubernetes: bool,
}

/// The world between two calls: all that a process leaves that dies here.
pub struct Shot {
    /// It.
    pub ground: Ground,
    /// The number of the call.
    pub number: usize,
    /// Before or after that call.
    pub after: bool,
    /// The call.
    pub what: String,
}

impl Shot {
    /// When it was taken, in words.
    pub fn when(&self) -> String {
        format!("{} call {} ({})", if self.after { "after" } else { "before" }, self.number, self.what)
    }
}

/// Says what befalls a call, by its number.
pub type Weather = Box<dyn FnMut(usize, &Call, &mut Ground) -> Option<Fault> + Send>;

/// The place of one run.
pub struct Site {
    ground: Mutex<Ground>,
    /// The time.
    pub clock: SharedClock,
    /// Something has happened.
    pub changed: Notify,
    weather: Mutex<Weather>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: usize,
    trace: Vec<String>,
    shots: Option<Vec<Shot>>,
    broken: Option<String>,
}

impl Site {
    /// A place where everything works.
    pub fn new(ground: Ground) -> Arc<Self> {
        Self::in_weather(ground, Box::new(|_, _, _| None))
    }

    /// A place where this befalls calls.
    pub fn in_weather(ground: Ground, weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(TimerClock::starting_at(ground.world.now)),
            ground: Mutex::new(ground),
            changed: Notify::new(),
            weather: Mutex::new(weather),
            seen: Mutex::default(),
        })
    }

    /// A place that keeps what a process would leave, at each call.
    pub fn filmed(ground: Ground) -> Arc<Self> {
        let site = Self::new(ground);
        site.seen.lock().unwrap().shots = Some(Vec::new());
        site
    }

    /// The world as it is now.
    pub fn ground(&self) -> MutexGuard<'_, Ground> {
        let mut ground = self.ground.lock().unwrap();
        let before = ground.mark();
        ground.advance(self.clock.now());
        if ground.mark() != before {
            self.changed.notify_one();
        }
        ground
    }

    /// A call: on its way, carried out or not, and on its way back. `Err`: what befell it.
    pub async fn call<T>(&self, call: Call, carry_out: impl FnOnce(&mut Ground) -> T) -> Result<T, Fault> {
        tokio::time::sleep(WAY).await;
        let answer = self.strike(call, carry_out);
        tokio::time::sleep(WAY).await;
        answer
    }

    fn strike<T>(&self, call: Call, carry_out: impl FnOnce(&mut Ground) -> T) -> Result<T, Fault> {
        let mut ground = self.ground();
        let mut seen = self.seen.lock().unwrap();
        let number = seen.calls;
        seen.calls += 1;
        seen.shoot(&ground, number, false, &call);
        must_not_tell(&mut ground, &call.what);
        let fault = (self.weather.lock().unwrap())(number, &call, &mut ground);
        let time = ground.world.now.strftime("%H:%M:%S%.3f");
        seen.trace.push(format!(
            "{time} {number} {}{}",
            call.what,
            fault.map(|f| format!(" {f:?}")).unwrap_or_default()
        ));
        let carried_out = match fault {
            Some(Fault::Refused(..) | Fault::Failed(_, false) | Fault::Reset(false)) => None,
            Some(Fault::Failed(_, true) | Fault::Reset(true)) | None => Some(carry_out(&mut ground)),
        };
        if let (None, Err(violation)) = (&seen.broken, ground.check()) {
            seen.broken = Some(violation);
        }
        seen.shoot(&ground, number, true, &call);
        self.changed.notify_one();
        match (fault, carried_out) {
            (None, Some(answer)) => Ok(answer),
            (fault, _) => Err(fault.unwrap_or(Fault::Reset(false))),
        }
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().calls
    }

    /// The first broken invariant.
    pub fn broken(&self) -> Option<String> {
        self.seen.lock().unwrap().broken.clone()
    }

    /// All calls.
    pub fn trace(&self) -> Vec<String> {
        self.seen.lock().unwrap().trace.clone()
    }

    /// What a process would have left at each call.
    pub fn shots(&self) -> Vec<Shot> {
        self.seen.lock().unwrap().shots.take().unwrap_or_default()
    }
}

impl Seen {
    fn shoot(&mut self, ground: &Ground, number: usize, after: bool, call: &Call) {
        if let Some(shots) = &mut self.shots {
            shots.push(Shot { ground: ground.clone(), number, after, what: call.what.clone() });
        }
    }
}
