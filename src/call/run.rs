//! A call from beginning to end: database, connection, function, statement, rows.
//!
//! A call that may have run is never repeated. What fails before, because a deployment or somebody at the database
//! changed what was known, is looked up and prepared anew, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, AnswerBody, Body, StrangeEncoding};
use super::choose::{Chosen, Refusal, choose};
use super::error::CallError;
use super::failure::{Circumstances, Failure, Phase};
use super::forms::read_without_binary;
use super::params::Params;
use super::request::CallRequest;
use super::rows::{Plan, RowError};
use super::running::{Interrupted, Reached, Running};
use super::shape::{Shape, bind};
use super::signature::{Kind, Overload, Signatures, read};
use super::stream::stream;
use super::tidy::{self, Leaves};
use super::timing::Timing;
use super::trace::TraceId;
use crate::databases::wire::{Care, Commit, StartError, Statement, WireError};
use crate::databases::{Database, DatabaseError, Databases, RunAs, Writing};
use serde_json::value::RawValue;

/// An answer that grows over this is sent as it comes.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// PostgreSQL stops a call at its time limit; if it does not, the gateway does so after this.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How often a call is begun of which nothing has run: what an attempt has looked up anew may be changed by the next deployment
/// before it is used.
const MOST_ATTEMPTS: usize = 4;

/// Runs the function that a request asks for, as `run_as`.
pub async fn run(
    databases: &Databases,
    request: &CallRequest,
    run_as: &RunAs,
    timing: &Timing,
) -> Result<Answer, CallError> {
    let call = Call { databases, request, run_as, timing };
    let mut connection = None;
    let mut attempts = 1;
    loop {
        let mut failure = match call.attempt(&mut connection, attempts > 1).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if failure.broken
            // Else it had ended before, for another call.
            && !failure.again
            // One that was ended while it was being committed may have been.
            && connection.as_mut().is_some_and(|running| running.made_room() && !running.connection().was_answered())
        {
            failure = CallError::NoRoom { function: call.function() }.into();
            failure.broken = true;
        }
        if failure.is_of_writing() && connection.as_ref().is_some_and(Running::only_reads) {
            failure = CallError::ReadsOnly { function: call.function() }.into();
        }
        discard_broken(&mut connection, &failure);
        if !failure.again || attempts == MOST_ATTEMPTS {
            return Err(failure.error);
        }
        attempts += 1;
    }
}

fn discard_broken(connection: &mut Option<Running>, failure: &Failure) {
    if failure.broken
        && let Some(running) = connection.take()
    {
        running.discard();
    }
}

/// One request.
struct Call<'a> {
    databases: &'a Databases,
    request: &'a CallRequest,
    run_as: &'a RunAs,
    timing: &'a Timing,
}

/// What is run, and what it was derived from.
struct Prepared<'o, 'a> {
    chosen: Chosen<'o, 'a>,
    shape: Arc<Shape>,
    statement: Arc<Statement>,
    plan: Arc<Plan>,
}

impl Call<'_> {
    /// `connection` keeps what the attempt used, unless the answer goes on using it.
    async fn attempt(&self, connection: &mut Option<Running>, anew: bool) -> Result<Answer, Failure> {
        let database = self.databases.resolve(&self.request.address, self.run_as).await.map_err(CallError::from)?;
        self.databases.check_room_for_calls().map_err(CallError::from)?;
        if connection.is_none() {
            let connected = self.databases.for_call(&database).await.map_err(|error| Failure {
                again: matches!(error, DatabaseError::Gone { .. }),
                broken: false,
                error: error.into(),
            })?;
            *connection = Some(Running::new(connected));
            self.timing.connected();
        }
        let limit = self.databases.call_timeout() + GRACE;
        match tokio::time::timeout(limit, self.execute(connection, &database, anew)).await {
            Ok(result) => result,
            // Dropped while it is busy, the connection is cancelled.
            Err(_) => Err(CallError::Timeout { function: self.function(), limit: self.limit() }.into()),
        }
    }

    /// Its name as errors tell it.
    fn function(&self) -> String {
        self.request.function.to_string()
    }

    fn limit(&self) -> Duration {
        self.databases.call_timeout()
    }

    async fn execute(
        &self,
        connection: &mut Option<Running>,
        database: &Arc<Database>,
        anew: bool,
    ) -> Result<Answer, Failure> {
        let running = connection.as_mut().expect("the attempt put one there");
        let since = Instant::now();
        let explain = |phase, error: WireError| {
            Circumstances { function: &self.function(), phase, elapsed: since.elapsed(), limit: self.limit() }
                .explain(error)
        };
        let signatures = self.signatures(database);
        if let Some(then) = running.connection().trusted()
            && (self.databases.is_deploying(database.name()) || signatures.tidy.current() != Some(then))
        {
            running.connection().distrust();
        }
        let params = self.params()?;
        let known = if anew { None } else { signatures.get(&self.request.function) };
        let found;
        let (overloads, chosen) = match known.as_deref().map(|known| (known, choose(known, &params))) {
            Some((known, Ok(chosen))) => (known, chosen),
            // What is known may be older than what somebody has just made; then it is looked up again.
            Some((_, Err(_))) | None => {
                let looked_up = read(running.connection(), &self.request.function).await;
                found = looked_up.map_err(|error| explain(Phase::Prepare, error))?;
                if !found.is_empty() {
                    signatures.insert(&self.request.function, found.clone());
                }
                (&*found, self.choose(&found, &params, database)?)
            }
        };
        let key = chosen.key();
        let values = bind(&chosen, &key);
        let make = || Shape::new(&chosen, &key);
        if anew {
            forget(running, &signatures.shape(key.clone(), false, make));
        }
        let shape = signatures.shape(key.clone(), anew, make);
        let (statement, plan) = prepare(running, &shape)
            .await
            .map_err(|error| with_what_exists(explain(Phase::Prepare, error), overloads))?;
        let prepared = Prepared { chosen, shape, statement, plan };
        let care = self.care(running, &prepared, database, &signatures);
        // What it had in the attempt before is given back first: a platform has one turn at a time.
        running.may(Writing::Free);
        running.may(self.writing(database, &prepared)?);
        let trace = self.request.trace.as_ref().map(TraceId::as_str);
        match running.start(&prepared.statement, &values, &prepared.plan.formats, (trace, care)).await {
            Ok(()) => {}
            Err(StartError::Wire(error)) => return Err(explain(Phase::Bind, error)),
            Err(StartError::Value(index, error)) => {
                let parameter = name_parameter(index + 1, &prepared.chosen);
                let function = self.function();
                return Err(CallError::Value { function, parameter, reason: error.to_string() }.into());
            }
        }
        self.answer(connection, database, prepared, &explain).await
    }

    /// What is known of the database's functions. When that is too much, everything is forgotten, on the server too.
    fn signatures(&self, database: &Arc<Database>) -> Arc<Signatures> {
        let signatures = database.derived::<Signatures>();
        if !signatures.is_full() {
            return signatures;
        }
        self.databases.deployed(database.name());
        database.derived()
    }

    /// What is done behind the call. While this gateway deploys there, what is known of a function may be about to change.
    fn care(
        &self,
        running: &mut Running,
        prepared: &Prepared<'_, '_>,
        database: &Arc<Database>,
        signatures: &Arc<Signatures>,
    ) -> Care {
        if self.databases.is_deploying(database.name()) {
            return Care::UNKNOWN;
        }
        let look = || tidy::look(self.databases, database, signatures);
        let keeps = running.connection().keeps();
        match signatures.tidy.knows(prepared.chosen.overload.oid, keeps, look) {
            Some((leaves, number)) => care_behind(prepared.shape.may_write(), leaves, number),
            None => Care::UNKNOWN,
        }
    }

    /// What it may do to the disk. A procedure that is to read only is not begun: it could begin another transaction.
    fn writing(&self, database: &Database, prepared: &Prepared<'_, '_>) -> Result<Writing, CallError> {
        let writing = self.databases.writing(database, prepared.shape.may_write())?;
        if matches!(writing, Writing::No) && prepared.shape.kind == Kind::Procedure {
            return Err(CallError::ReadsOnly { function: self.function() });
        }
        Ok(writing)
    }

    fn params(&self) -> Result<Params<'_>, CallError> {
        let params: Option<&RawValue> = self.request.params.as_deref();
        Params::parse(params).map_err(|error| CallError::Request(format!("params is malformed: {error}")))
    }

    fn choose<'o, 'a>(
        &self,
        overloads: &'o [Overload],
        params: &Params<'a>,
        database: &Arc<Database>,
    ) -> Result<Chosen<'o, 'a>, CallError> {
        if overloads.is_empty() {
            let (function, database) = (self.function(), database.name().clone());
            return Err(CallError::FunctionNotFound { function, database });
        }
        choose(overloads, params).map_err(|refusal| {
            let given = params.describe();
            let reason = match refusal {
                Refusal::Twice(name) => format!("the parameter {name:?} is given twice"),
                Refusal::NoSuchName(name) => format!("there is no parameter {name:?}"),
                Refusal::Number => format!("nothing of that name takes {given}"),
                Refusal::Ambiguous => format!("several of that name take {given}; give the parameters by name"),
            };
            CallError::Parameters { function: self.function(), reason, exists: list(overloads), postgres: None }
        })
    }

    async fn answer(
        &self,
        connection: &mut Option<Running>,
        database: &Arc<Database>,
        prepared: Prepared<'_, '_>,
        explain: &impl Fn(Phase, WireError) -> Failure,
    ) -> Result<Answer, Failure> {
        let running = connection.as_mut().expect("the attempt put one there");
        let Prepared { shape, plan, .. } = prepared;
        let answer = |rows, body| Answer { database: database.name().clone(), rows, body };
        let interrupted = |interrupted| match interrupted {
            Interrupted::Wire(error) => explain(Phase::Run, error),
            Interrupted::Row(error) => self.unwritten(&error),
            Interrupted::Encoding(StrangeEncoding) => self.unreadable(),
        };
        let mut body = Body::new(self.timing.begun());
        if shape.kind == Kind::Procedure && plan.needs_server() {
            let rows = running.rows().await.map_err(interrupted)?;
            self.answer_procedure(running, rows, &plan, &mut body, explain).await?;
            return Ok(answer(Some(body.row_count()), AnswerBody::Complete(body.finish())));
        }
        let reached = running.write_rows(&plan, &mut body, LARGE_BODY_BYTES).await;
        if running.connection().is_spoiled() {
            shape.distrust();
        }
        match reached.map_err(interrupted)? {
            Reached::End => Ok(answer(Some(body.row_count()), AnswerBody::Complete(body.finish()))),
            Reached::Size => {
                let running = connection.take().expect("the attempt put one there");
                let rest = stream(running, plan, body, self.function(), self.limit());
                Ok(answer(None, AnswerBody::Streamed(rest)))
            }
        }
    }

    /// CALL can be no part of a SELECT, so the server makes JSON of its values afterwards.
    async fn answer_procedure(
        &self,
        running: &mut Running,
        rows: Vec<Vec<Option<Vec<u8>>>>,
        plan: &Plan,
        body: &mut Body,
        explain: &impl Fn(Phase, WireError) -> Failure,
    ) -> Result<(), Failure> {
        for row in rows {
            let (mut types, mut formats, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for (column, value) in plan.types_for_server().zip(&row) {
                if let Some((oid, format)) = column {
                    types.push(oid);
                    formats.push(format);
                    values.push(value.as_deref());
                }
            }
            let made =
                running.make_json(&types, &formats, &values).await.map_err(|error| explain(Phase::Run, error))?;
            let values = row.iter().map(|value| Ok(value.as_deref()));
            let mut made = made.iter().map(Option::as_deref);
            plan.write_values(values, &mut made, body.next_row()).map_err(|error| self.unwritten(&error))?;
        }
        if let Some(large) = running.take_kept() {
            body.keep(large);
        }
        let reported = running.connection().was_strange();
        body.verify(reported).map_err(|StrangeEncoding| self.unreadable())
    }

    /// A row is not what was announced: nobody knows what else is on the connection.
    fn unwritten(&self, error: &RowError) -> Failure {
        let error = CallError::Protocol { function: self.function(), cause: error.to_string() };
        Failure { error, again: false, broken: true }
    }

    fn unreadable(&self) -> Failure {
        Failure { error: CallError::Encoding { function: self.function() }, again: false, broken: true }
    }
}

/// What is done behind a function that is known to leave this, by the state of knowledge with this number.
fn care_behind(may_write: bool, leaves: Leaves, number: u64) -> Care {
    let commit = match leaves {
        Leaves::Anything => Commit::Never,
        Leaves::Nothing if !may_write => Commit::Alone,
        Leaves::Settings if !may_write => Commit::Last,
        Leaves::Nothing | Leaves::Settings | Leaves::Objects | Leaves::Statements => Commit::First,
    };
    Care { commit, statements: leaves >= Leaves::Statements, known: Some(number) }
}

/// PostgreSQL found no function for what was chosen: the sentence says what there is.
fn with_what_exists(mut failure: Failure, overloads: &[Overload]) -> Failure {
    if let CallError::Parameters { exists, .. } = &mut failure.error {
        *exists = list(overloads);
    }
    failure
}

/// A parameter that could not be sent: its number, and its name if it has one.
fn name_parameter(number: usize, chosen: &Chosen<'_, '_>) -> String {
    match chosen.name_of(number) {
        Some(name) => format!("{number} ({name})"),
        None => number.to_string(),
    }
}

fn list(overloads: &[Overload]) -> Vec<String> {
    overloads.iter().map(|overload| overload.display.clone()).collect()
}

/// What was prepared is prepared anew.
fn forget(running: &mut Running, shape: &Shape) {
    if let Some(plan) = shape.plan() {
        running.forget(&plan.sql);
    }
    running.forget(&shape.plain_sql());
}

/// The statement, and how to write its rows: columns of common types as they come, the others as JSON that the server
/// makes.
async fn prepare(running: &mut Running, shape: &Shape) -> Result<(Arc<Statement>, Arc<Plan>), WireError> {
    if let Some(plan) = shape.plan() {
        let statement = running.prepare(&plan.sql).await?;
        if plan.fits(&statement.columns) {
            return Ok((statement, plan));
        }
    }
    let plain = shape.plain_sql();
    let mut statement = running.prepare(&plain).await?;
    let mut plan = Plan::new(plain, &statement.columns);
    if plan.needs_server() && shape.kind == Kind::Procedure {
        let types: Vec<u32> = plan.types_for_server().flatten().map(|(oid, _)| oid).collect();
        plan = plan.with_texts(&read_without_binary(running.connection(), &types).await?);
    } else if plan.needs_server() {
        running.forget(&plan.sql);
        let wrapped = shape.wrapped_sql(plan.columns());
        statement = running.prepare(&wrapped).await?;
        plan = Plan::new(wrapped, &statement.columns);
    }
    let plan = Arc::new(plan);
    shape.set_plan(plan.clone());
    Ok((statement, plan))
}
