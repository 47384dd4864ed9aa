//! How the system's scheduler is to treat this process and what it starts.
//!
//! A call goes from the gateway to a PostgreSQL process and back, and with the ordinary policy each of these wake-ups
//! interrupts whoever runs, mostly the gateway in the middle of the next call: under load a third of the processors' time
//! went into changing over. `SCHED_BATCH` is an ordinary policy with the same share of the processors; what is woken just
//! waits until the running process waits itself, or has had its turn (sched(7), "SCHED_BATCH").
//!
//! The gateway's few threads serve many PostgreSQL processes, and one that waits for its turn behind all of them keeps
//! their clients waiting. So they go first, by their nice value, where the system allows that.

use std::fs;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};

const ORDINARY: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
const BATCH: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);

/// How far the nice value of a thread that goes first is below that of the process. The unit's `LimitNICE` allows it.
const AHEAD: i32 = 5;

/// Why something stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    /// The nice value is not to be found.
    #[error("/proc/self/stat does not tell the nice value")]
    Nice,
    /// The system said no.
    #[error("{0}")]
    Refused(#[from] thread_priority::Error),
}

/// Gives the calling thread the policy `SCHED_BATCH`, and with it every thread and process that it starts afterwards: the
/// embedded PostgreSQL too. Does nothing where somebody has chosen a policy for the process. The nice value stays.
pub fn run_in_batches() -> Result<(), SchedulingError> {
    match thread_schedule_policy()? {
        ORDINARY => set(BATCH, nice()?),
        _ => Ok(()),
    }
}

/// Lets the calling thread go first, and what it starts. An error where that takes a right that the process has not.
pub fn go_first() -> Result<(), SchedulingError> {
    // The least that there is.
    with_nice((nice()? - AHEAD).max(-20))
}

/// Runs `start` so that what it starts does not go first.
pub fn in_line<T: Send>(start: impl FnOnce() -> T + Send) -> std::thread::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // To go back takes no right; where it fails all the same, what is started works as well.
            let _ = nice().and_then(with_nice);
            start()
        });
        thread.join()
    })
}

fn with_nice(nice: i32) -> Result<(), SchedulingError> {
    match thread_schedule_policy()? {
        policy @ (ORDINARY | BATCH) => set(policy, nice),
        _ => Ok(()),
    }
}

/// The library sets both at once, and the nice value on a scale of its own.
fn set(policy: ThreadSchedulePolicy, nice: i32) -> Result<(), SchedulingError> {
    let mut priorities = (0..100).filter_map(|value| ThreadPriority::try_from(value).ok());
    let same = priorities.find(|priority| priority.to_posix(policy).is_ok_and(|value| value == nice));
    Ok(set_thread_priority_and_policy(thread_native_id(), same.ok_or(SchedulingError::Nice)?, policy)?)
}

/// The nice value of the process, which is that of its first thread: the 19th field (proc_pid_stat(5)), counted behind
/// the program's name, which may hold anything.
fn nice() -> Result<i32, SchedulingError> {
    let read = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_ascii_whitespace().nth(19 - 3)?.parse().ok()
    };
    read().ok_or(SchedulingError::Nice)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::SchedulingError;

    /// The nice value and the policy (sched.h: 3 is SCHED_BATCH) of a process that the calling thread starts.
    fn of_a_child() -> (i32, String) {
        let output = Command::new("cat").arg("/proc/self/stat").output().unwrap();
        let stat = String::from_utf8(output.stdout).unwrap();
        let fields: Vec<_> = stat.split_ascii_whitespace().collect();
        (fields[18].parse().unwrap(), fields[40].to_owned())
    }

    /// In a thread of its own, because the tests share the process.
    fn in_a_thread<T: Send>(look: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(look).join()).unwrap()
    }

    /// The policy that children have afterwards: where a container does not allow another one, the one that they had.
    fn run_in_batches() -> String {
        let before = of_a_child().1;
        match super::run_in_batches() {
            Ok(()) => "3".to_owned(),
            Err(SchedulingError::Refused(_)) => before,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_started_afterwards_runs_in_batches_and_is_as_nice_as_before() {
        let (expected, after) = in_a_thread(|| {
            let nice = of_a_child().0;
            let policy = run_in_batches();
            // Once more changes nothing.
            assert_eq!(run_in_batches(), policy);
            ((nice, policy), in_a_thread(of_a_child))
        });
        assert_eq!(after, expected);
    }

    #[test]
    fn a_thread_goes_first_where_it_may_and_what_it_starts_in_line_does_not() {
        in_a_thread(|| {
            let before = of_a_child();
            let policy = run_in_batches();
            let ahead = match super::go_first() {
                Ok(()) => before.0 - super::AHEAD,
                // An ordinary user without the right to it.
                Err(SchedulingError::Refused(_)) => before.0,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(of_a_child(), (ahead, policy.clone()));
            assert_eq!(super::in_line(of_a_child).unwrap(), (before.0, policy));
            assert_eq!(of_a_child().0, ahead);
        });
    }
}
