//! How the system's scheduler is to treat this process and what it starts: as work that is done in batches.
//!
//! A call goes from the gateway to a PostgreSQL process and back, and with the ordinary policy each of these wake-ups
//! interrupts whoever runs, mostly the gateway in the middle of the next call: under load a third of the processors' time
//! went into changing over. `SCHED_BATCH` is an ordinary policy with the same share of the processors; what is woken just
//! waits until the running process waits itself, or has had its turn (sched(7), "SCHED_BATCH").

use std::fs;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};

const ORDINARY: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
const BATCH: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);

/// Why the policy stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    /// The nice value is not to be found.
    #[error("/proc/self/stat does not tell the nice value")]
    Nice,
    /// The system said no.
    #[error("{0}")]
    Refused(thread_priority::Error),
}

/// Gives the calling thread the policy `SCHED_BATCH`, and with it every thread and process that it starts afterwards: the
/// embedded PostgreSQL too. Does nothing where somebody has chosen a policy for the process. The nice value stays.
pub fn run_in_batches() -> Result<(), SchedulingError> {
    if thread_schedule_policy().map_err(SchedulingError::Refused)? != ORDINARY {
        return Ok(());
    }
    // The library sets the nice value along with the policy, on a scale of its own.
    let nice = nice().ok_or(SchedulingError::Nice)?;
    let mut priorities = (0..100).filter_map(|value| ThreadPriority::try_from(value).ok());
    let same = priorities.find(|priority| priority.to_posix(BATCH).is_ok_and(|value| value == nice));
    let same = same.ok_or(SchedulingError::Nice)?;
    set_thread_priority_and_policy(thread_native_id(), same, BATCH).map_err(SchedulingError::Refused)
}

/// The nice value: the 19th field (proc_pid_stat(5)), counted behind the program's name, which may hold anything.
fn nice() -> Option<i32> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// The nice value and the policy (sched.h: 3 is SCHED_BATCH) of a process that the calling thread starts.
    fn of_a_child() -> (String, String) {
        let output = Command::new("cat").arg("/proc/self/stat").output().unwrap();
        let stat = String::from_utf8(output.stdout).unwrap();
        let fields: Vec<_> = stat.split_ascii_whitespace().map(str::to_owned).collect();
        (fields[18].clone(), fields[40].clone())
    }

    #[test]
    fn what_is_started_afterwards_runs_in_batches_and_is_as_nice_as_before() {
        let (before, after) = std::thread::spawn(|| {
            let before = of_a_child();
            super::run_in_batches().unwrap();
            // Once more changes nothing.
            super::run_in_batches().unwrap();
            (before, std::thread::spawn(of_a_child).join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!(after, (before.0, "3".to_owned()));
    }
}
