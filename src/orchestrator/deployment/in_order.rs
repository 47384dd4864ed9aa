//! The statements of a bundle one after the other: where a migration begins and ends, and what runs in the middle of one.
//! Called by [`super::deploy`].

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;

use super::Deployment;
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Object, Statement, Wanted};
use crate::orchestrator::catalog::Catalog;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Failure;

/// A migration that has begun.
struct Open<'a> {
    last: &'a Statement,
    /// What it has set, while others run in between.
    aside: Option<Vec<(String, String)>>,
}

impl<'a> Deployment<'a> {
    pub(super) async fn run_in_order(
        &mut self,
        statements: &'a [Statement],
        before: &Catalog,
    ) -> Result<(), DeployError> {
        let mut open: Option<Open<'a>> = None;
        for (at, statement) in statements.iter().enumerate() {
            let continues = open.as_ref().is_some_and(|open| belongs_to(statement, open.last));
            if let Some(current) = open.as_mut().filter(|_| !continues) {
                if statements[at + 1..].iter().any(|later| belongs_to(later, current.last)) {
                    // A table that the rest of the migration needs: what the migration set is none of its business.
                    if current.aside.is_none() {
                        current.aside = Some(self.runner.set_session_aside().await?);
                    }
                    self.run_one(statement, before).await?;
                    continue;
                }
                self.end_migration(current.last, Some(statement)).await?;
                open = None;
            }
            if let Some(session) = open.as_mut().and_then(|open| open.aside.take()) {
                self.migrations_go_on().await?;
                self.runner.resume_session(&session).await?;
            }
            if begins(statement) && !continues {
                self.retry_waiting().await?;
            }
            self.run_one(statement, before).await?;
            if begins(statement) {
                open = Some(Open { last: statement, aside: None });
            }
        }
        if let Some(open) = open {
            self.end_migration(open.last, None).await?;
        }
        self.declaration_goes_on(None).await?;
        self.retry_waiting().await
    }

    async fn run_one(&mut self, statement: &'a Statement, before: &Catalog) -> Result<(), DeployError> {
        if statement.kind == Kind::Migrations {
            self.migrations_go_on().await?;
            // Of many parts: on the heap, so that no thread's stack has to hold them all.
            return Box::pin(self.run_migration(statement, before)).await;
        }
        self.declaration_goes_on(Some(statement)).await?;
        self.migrations.declaration_went_on(statement);
        self.run_or_wait(statement).await
    }

    async fn run_migration(&mut self, statement: &'a Statement, before: &Catalog) -> Result<(), DeployError> {
        if self.migrations.leaves_transaction(statement) {
            self.check_before_commit(before).await?;
        }
        let is_pending = self.migrations.is_pending(statement);
        if is_pending {
            self.standing.changed();
            self.reader.distrust_session();
        }
        if is_pending && self.first_waiting_for(statement).is_some() {
            self.retry_waiting().await?;
        }
        let wants = self.first_waiting_for(statement).filter(|_| is_pending);
        let mut result = Box::pin(self.migrations.run(&self.runner, statement, wants.is_some())).await;
        let uses_new_value = |failure: &Failure| failure.is_one_of(&[SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE]);
        if result.as_ref().is_err_and(uses_new_value) && self.goal.is_blueprint() {
            // A value that no text tells of was added, by a DO block say. Nobody sees a blueprint before it is whole, and
            // one that fails is dropped: so what came before may be committed.
            let session = self.runner.set_session_aside().await?;
            self.runner.renew(statement).await?;
            self.runner.resume_session(&session).await?;
            result = Box::pin(self.migrations.run_again(&self.runner, statement)).await;
        }
        let Err(mut failure) = result else { return Ok(()) };
        if self.passes_over(statement, &failure) {
            return Ok(());
        }
        if uses_new_value(&failure) {
            failure.error.hint = Some(NEW_VALUE_HINT.to_owned());
        }
        if failure.wants_an_object() {
            failure = self.root_of(failure, wants);
        }
        let error = DeployError::from(failure);
        if self.runner.may_be_wrong(&error) {
            // The rehearsal ends here; what is known by now is refused by now.
            self.check_before_commit(before).await?;
        }
        Err(error)
    }

    /// The first of those that wait for an object that `statement` refers to.
    fn first_waiting_for(&self, statement: &Statement) -> Option<usize> {
        self.waiting.iter().position(|(waiting, _)| refers_to(statement, waiting))
    }

    /// Why a statement of a migration really failed: what it wants is to be made by one that waits itself. One that says
    /// nothing of it may want it all the same, in a body for one, so that is told of.
    fn root_of(&self, mut failure: Failure, wants: Option<usize>) -> Failure {
        if let Some(at) = wants {
            return self.waiting[self.first_cause(at)].1.clone();
        }
        if let Some((_, waiting)) = self.waiting.first().map(|_| &self.waiting[self.first_cause(0)]) {
            let error = &waiting.error;
            let told = format!("{}, line {}, could not be run either: {}", error.path, error.line, error.cause);
            failure.error.hint.get_or_insert(told);
        }
        failure
    }

    /// Of those that wait for each other the one that waits for something else.
    pub(super) fn first_cause(&self, mut at: usize) -> usize {
        const LONGEST: usize = 100;
        let mut met = BTreeSet::from([at]);
        while let Some(next) = self.first_waiting_for(self.waiting[at].0).filter(|next| met.insert(*next))
            && met.len() < LONGEST
        {
            at = next;
        }
        at
    }
}

/// A value that a `DO` block adds, or a function: nobody knew of it beforehand.
const NEW_VALUE_HINT: &str = "PostgreSQL lets nobody use a new value in the transaction that adds it. One that a statement of a \
    migration adds, ALTER TYPE … ADD VALUE, is added before; one that a DO block or a function adds can be used by the next \
    deployment: deploy the migrations up to that one first";

/// A statement with which a migration begins or goes on.
fn begins(statement: &Statement) -> bool {
    statement.kind == Kind::Migrations && !statement.early
}

fn belongs_to(statement: &Statement, last: &Statement) -> bool {
    begins(statement) && statement.path == last.path
}

fn refers_to(statement: &Statement, maker: &Statement) -> bool {
    let lasting = |made: &&Object| !matches!(made.class, Class::Details | Class::Key);
    maker.makes.iter().filter(lasting).any(|made| {
        statement.needs.iter().any(|need| {
            need.wanted != Wanted::Details
                && need.name == made.name
                && need.schema.as_deref().unwrap_or("public") == made.schema
                && need.wanted.classes().contains(&made.class)
        })
    })
}
