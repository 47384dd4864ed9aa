//! Keeps PostgreSQL running: one that ends by itself (killed for want of memory, say) is started again. Meanwhile the
//! pools find no server and `/health` says so; nothing else has to know.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{error, info};

use super::postmaster::Postmaster;
use super::room::Keeper;
use super::server_log;
use super::{EmbeddedError, EmbeddedPostgres};
use crate::databases::Watched;

/// How often it is looked whether PostgreSQL still runs.
const GLANCE: Duration = Duration::from_millis(200);
/// The pause before the first attempt; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// One that has run for this long begins again with the first pause.
const STEADY: Duration = Duration::from_secs(60);

/// A running PostgreSQL that is started again whenever it ends by itself. Dropped, it is stopped but not waited for.
#[derive(Debug)]
pub struct SupervisedPostgres {
    connection: tokio_postgres::Config,
    keeper: Option<Keeper>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), EmbeddedError>>,
}

impl SupervisedPostgres {
    pub(super) fn new(postgres: EmbeddedPostgres) -> Self {
        let connection = postgres.connection().clone();
        let keeper = postgres.keeper.clone();
        let (stop, stopping) = oneshot::channel();
        Self { connection, keeper, stop, task: tokio::spawn(supervise(postgres, stopping)) }
    }

    /// How to connect: the superuser, in the database `postgres`, over the socket.
    pub fn connection(&self) -> &tokio_postgres::Config {
        &self.connection
    }

    /// How much room its disk has, where that is looked at.
    pub fn room(&self) -> Option<Watched> {
        self.keeper.as_ref().map(Keeper::watched)
    }

    /// Ends every session and stops PostgreSQL; returns when it has stopped.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        // The task ends only when told to: an error here is the one that it returns.
        let _ = self.stop.send(());
        match self.task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down, and dropping the task has told PostgreSQL to stop.
                Err(_) => Ok(()),
            },
        }
    }
}

async fn supervise(mut postgres: EmbeddedPostgres, mut stopping: oneshot::Receiver<()>) -> Result<(), EmbeddedError> {
    let mut pause = FIRST_PAUSE;
    let mut keeping_log_short = std::pin::pin!(server_log::keep_short(postgres.postmaster.log().to_owned()));
    let mut keeping_room = std::pin::pin!(keep_room(postgres.keeper.clone()));
    loop {
        let ready = Instant::now();
        tokio::select! {
            _ = &mut stopping => return postgres.stop().await,
            never = &mut keeping_log_short => match never {},
            never = &mut keeping_room => match never {},
            () = postgres.postmaster.ended(GLANCE) => error!("PostgreSQL has ended by itself; starting it again"),
        }
        if ready.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            _ = &mut stopping => return postgres.stop().await,
            // It may be what PostgreSQL ended for, and cannot start without.
            never = &mut keeping_room => match never {},
            () = restart(&mut postgres, &mut pause) => info!("PostgreSQL is back"),
        }
    }
}

async fn keep_room(keeper: Option<Keeper>) -> Infallible {
    match keeper {
        Some(keeper) => keeper.watch().await,
        None => std::future::pending().await,
    }
}

/// Tries until it runs.
async fn restart(postgres: &mut EmbeddedPostgres, pause: &mut Duration) {
    loop {
        sleep(*pause).await;
        *pause = (*pause * 2).min(LAST_PAUSE);
        match Postmaster::take_over_or_start(postgres.postmaster.launch().clone()).await {
            Ok(postmaster) => {
                postgres.postmaster = postmaster;
                return;
            }
            Err(error) => error!(%error, next_attempt_s = pause.as_secs_f32(), "PostgreSQL did not start"),
        }
    }
}
