//! Objects that stand in the way of a change which PostgreSQL would otherwise allow: a view over the column that is
//! widened, a default that calls the function that is replaced. They are taken off and made again in the deployment's
//! transaction, with grants, owner and comment.
//!
//! What PostgreSQL knows of them (`pg_depend`, `pg_get_viewdef` and their like) is all that is used. Tables are
//! never taken off, columns only where they are generated, and nothing is ever dropped with `CASCADE`: what cannot be made
//! again is named in a refusal.
//!
//! What was taken off is made again as soon as that works, at the latest before the deployment is verified. Where the
//! bundle has made a thing in a new form by then, that one stays, and only gets what belonged to the old one.

mod roots;
mod taken;
mod walk;

use std::sync::{Mutex, PoisonError};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

pub use self::roots::{Fate, Root, of as roots_of, of_text as roots_of_text, relation, routine};
use self::taken::Taken;
use crate::databases::{Under, ask, postgres_code, under};

/// An object, as `pg_depend` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The catalog that holds it.
    pub class: u32,
    /// Its oid there.
    pub object: u32,
    /// A column, or 0.
    pub sub: i32,
}

impl Address {
    /// For `unnest`.
    fn columns(addresses: &[Self]) -> (Vec<u32>, Vec<u32>, Vec<i32>) {
        let (mut classes, mut objects, mut subs) = (Vec::new(), Vec::new(), Vec::new());
        for address in addresses {
            classes.push(address.class);
            objects.push(address.object);
            subs.push(address.sub);
        }
        (classes, objects, subs)
    }
}

/// What was taken off in a deployment and is not there again yet.
#[derive(Debug, Default)]
pub struct Dependants {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    waiting: Vec<Taken>,
    /// What was made again: the oid before, the oid now.
    remade: Vec<(u32, u32)>,
    /// For the changelog and the list of statements.
    statements: Vec<String>,
    touched: bool,
    /// A function that goes, and the signature of the one that takes its place.
    heir: Option<(Address, String)>,
}

/// Why there is no way.
#[derive(Debug)]
pub enum NoWay {
    /// Nothing that could be taken off stands there.
    Nothing,
    /// These cannot be taken off, as PostgreSQL prints them.
    Standing(Vec<String>),
    /// PostgreSQL refused.
    Postgres(Error),
}

impl From<Error> for NoWay {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

/// An object that could not be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// As PostgreSQL prints it.
    pub description: String,
    /// What it had to give way to.
    pub because: String,
    /// PostgreSQL's words.
    pub refusal: String,
    /// Whether it had to give way to a function.
    pub for_function: bool,
}

/// A dependant that an earlier bundle made, this one does not declare, and that cannot stand any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetGo {
    /// E.g. `DropView`.
    pub change_type: &'static str,
    /// As PostgreSQL prints it.
    pub description: String,
    /// Why.
    pub refusal: String,
}

impl Dependants {
    /// Whether something was taken off since this was asked last, so that the catalog has to be looked at again.
    pub fn were_touched(&self) -> bool {
        std::mem::take(&mut self.lock().touched)
    }

    /// What was made again since this was asked last: the oid before, the oid now.
    pub fn remade(&self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.lock().remade)
    }

    /// What was run since this was asked last.
    pub fn statements(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().statements)
    }

    /// Whether anything stands aside.
    pub fn are_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Takes off what stands in the way of what is to become of `roots`. The caller has a savepoint to return to.
    pub async fn make_way(&self, client: &Client, roots: &[Root], because: &str) -> Result<Way, NoWay> {
        // Under the gateway's own path everything is printed with its schema, so that it is read back as it was.
        take_off(client, roots, because).await
    }

    /// The next statement makes a function of this signature in the place of the only one of `roots`.
    pub fn expect_heir(&self, roots: &[Root], signature: &str) {
        self.lock().heir = roots.first().map(|root| (root.address, signature.to_owned()));
    }

    /// The statement was run, or failed.
    pub fn forget_heir(&self) {
        self.lock().heir = None;
    }

    /// After the statement: what belonged to the old function is the new one's.
    /// `path`: that of the statement.
    pub async fn meet_heir(&self, client: &Client, path: &str, way: &mut Way) -> Result<(), Error> {
        let Some((address, signature)) = self.lock().heir.clone() else { return Ok(()) };
        if let Some((oid, name)) = find_routine(client, path, &signature).await?
            && let Some(taken) = way.0.iter_mut().find(|taken| taken.address == address)
        {
            taken.becomes(oid, &name);
        }
        Ok(())
    }

    /// The statement for which way was made has been run.
    pub fn accept(&self, way: Way) {
        let mut state = self.lock();
        let dropped = way.0.iter().rev().map(|taken| taken.dropping.clone()).filter(|sql| !sql.is_empty());
        state.statements.extend(dropped);
        state.waiting.extend(way.0);
        state.touched = true;
    }

    /// What stands aside and was run so far, to return to when a savepoint is returned to.
    pub fn noted(&self) -> Noted {
        Noted(self.lock().clone())
    }

    /// Forgets what has happened since.
    pub fn return_to(&self, noted: Noted) {
        *self.lock() = noted.0;
    }

    /// Generated columns that could not be made again with the function or operator that they use, with PostgreSQL's words. Left to the
    /// declaration, one that is a plain column there would come back without its values.
    pub fn columns_left(&self) -> Vec<String> {
        let state = self.lock();
        let left = state.waiting.iter().filter(|taken| taken.has_to_return);
        left.map(|taken| match &taken.refusal {
            Some(refusal) => format!("{} ({refusal})", taken.description),
            None => taken.description.clone(),
        })
        .collect()
    }

    /// Makes again what can be by now.
    pub async fn put_back(&self, client: &Client) -> Result<(), Error> {
        if !self.are_waiting() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.lock().waiting);
        let mut still = Vec::new();
        for mut taken in waiting {
            match put_back_one(client, &taken).await? {
                Ok(None) => {}
                Ok(Some((now, statements))) => {
                    let mut state = self.lock();
                    state.remade.push((taken.address.object, now));
                    state.statements.extend(statements);
                }
                Err(refusal) => {
                    taken.refusal = Some(refusal);
                    still.push(taken);
                }
            }
        }
        self.lock().waiting = still;
        Ok(())
    }

    /// The end: what can be is made again. The rest is let go if an earlier bundle made it, for this one would have made
    /// it by now if it declared it. `Err`: what is left, which nobody may drop.
    pub async fn settle(&self, client: &Client) -> Result<Result<Vec<LetGo>, Vec<Left>>, Error> {
        self.put_back(client).await?;
        let waiting = std::mem::take(&mut self.lock().waiting);
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for taken in waiting {
            let refusal = taken.refusal.clone().unwrap_or_default();
            match was_bundles(client, &taken).await? {
                Some(change_type) => {
                    gone.push(LetGo { change_type, description: taken.description.clone(), refusal });
                }
                None => left.push(Left {
                    description: taken.description,
                    because: taken.because,
                    refusal,
                    for_function: taken.for_function,
                }),
            }
        }
        Ok(if left.is_empty() { Ok(gone) } else { Err(left) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Dependants::noted`].
#[derive(Debug)]
pub struct Noted(State);

/// What was taken off for one statement, in the order in which it is made again.
#[derive(Debug)]
pub struct Way(Vec<Taken>);

async fn take_off(client: &Client, roots: &[Root], because: &str) -> Result<Way, NoWay> {
    let walk = walk::walk(client, roots).await?;
    let columns = columns_gone_with(client, roots, &walk.along).await?;
    if !columns.is_empty() {
        return Err(NoWay::Standing(columns));
    }
    if walk.objects.is_empty() {
        return Err(NoWay::Nothing);
    }
    let catalogs = "SELECT 'pg_proc'::regclass::oid, 'pg_class'::regclass::oid";
    let catalogs = client.query_one(catalogs, &[]).await?;
    let (routines, relations): (u32, u32) = (catalogs.get(0), catalogs.get(1));
    let for_function = roots.iter().all(|root| root.address.class == routines);
    let keys = foreign_keys_of_others(client, roots, &walk.objects).await?;
    if !keys.is_empty() {
        return Err(NoWay::Standing(keys));
    }
    let mut taken = taken::read(client, &walk.objects).await?.map_err(NoWay::Standing)?;
    // Where a column that an expression reads gets another type, the declaration may bring another expression.
    let comes_at_once = roots.iter().all(|root| root.address.class != relations);
    for one in taken.iter_mut() {
        one.because = because.to_owned();
        one.for_function = for_function;
        one.has_to_return = comes_at_once && one.address.class == relations && one.address.sub > 0;
    }
    for one in taken.iter().rev() {
        client.batch_execute(&one.dropping).await?;
    }
    Ok(Way(taken))
}

/// Foreign keys stand aside for the key that they point at, which comes again in another form, and for a column that is
/// made anew, by itself or for the function that generates it. For whatever else is dropped they are in the way.
async fn foreign_keys_of_others(client: &Client, roots: &[Root], objects: &[Address]) -> Result<Vec<String>, Error> {
    let (classes, oids, subs) = Address::columns(objects);
    let keys = "
        SELECT pg_describe_object(o.class, o.object, o.sub)
        FROM unnest($1::oid[], $2::oid[], $3::int4[]) AS o (class, object, sub)
        JOIN pg_constraint c ON o.class = 'pg_constraint'::regclass AND c.oid = o.object AND c.contype = 'f'";
    let found = client.query(keys, &[&classes, &oids, &subs]).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let keys_or_columns = "
        SELECT bool_and(o.class IN ('pg_constraint'::regclass, 'pg_proc'::regclass) OR (o.class = 'pg_class'::regclass AND (o.sub > 0
                        OR EXISTS (SELECT FROM pg_class c WHERE c.oid = o.object AND c.relkind IN ('i', 'I')))))
        FROM unnest($1::oid[], $2::oid[], $3::int4[]) AS o (class, object, sub)";
    let lasting: Vec<Address> =
        roots.iter().filter(|root| root.fate != Fate::Retyped).map(|root| root.address).collect();
    let (classes, oids, subs) = Address::columns(&lasting);
    let stands: Option<bool> = client.query_one(keys_or_columns, &[&classes, &oids, &subs]).await?.get(0);
    let is_dropped = roots.iter().any(|root| root.fate == Fate::Dropped && root.address.sub > 0);
    if stands == Some(true) && !is_dropped {
        return Ok(Vec::new());
    }
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// Before PostgreSQL 16 a generated column goes silently with a function that its expression calls. One that is replaced has it
/// stand aside like other dependants; one that goes for good may not take it along.
async fn columns_gone_with(
    client: &Client,
    roots: &[Root],
    along: &std::collections::HashSet<Address>,
) -> Result<Vec<String>, Error> {
    let dropped = roots.iter().filter(|root| root.fate == Fate::Dropped).map(|root| root.address);
    let addresses: Vec<Address> = along.iter().copied().chain(dropped).collect();
    let (classes, objects, subs) = Address::columns(&addresses);
    let query = "
        SELECT DISTINCT pg_describe_object('pg_class'::regclass, t.attrelid, t.attnum)
        FROM unnest($1::oid[], $2::oid[], $3::int4[]) AS o (class, object, sub)
        JOIN pg_depend d ON d.refclassid = o.class AND d.refobjid = o.object AND o.class = 'pg_proc'::regclass
        LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
        JOIN pg_attribute t ON t.attgenerated <> ''
             AND ((t.attrelid = e.adrelid AND t.attnum = e.adnum)
                  OR (d.classid = 'pg_class'::regclass AND t.attrelid = d.objid AND t.attnum = d.objsubid))
        ORDER BY 1";
    let rows = client.query(query, &[&classes, &objects, &subs]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What became of an object: its oid now and what was run, nothing where it has no place any more, or PostgreSQL's
/// refusal in words.
type PutBack = Result<Option<(u32, Vec<String>)>, String>;

/// A full disk, no memory: says nothing about the object, which must not be let go for it.
const OUT_OF_RESOURCES: &str = "53";

fn is_out_of_resources(error: &Error) -> bool {
    postgres_code(error).is_some_and(|code| code.code().starts_with(OUT_OF_RESOURCES))
}

async fn put_back_one(client: &Client, taken: &Taken) -> Result<PutBack, Error> {
    client.batch_execute("SAVEPOINT put_back").await?;
    let result = make_again(client, taken).await;
    match result {
        Ok(made) => {
            client.batch_execute("RELEASE SAVEPOINT put_back").await?;
            Ok(made.map(Some).ok_or_else(|| "it is not there".to_owned()))
        }
        Err(error) if error.as_db_error().is_some() && !is_out_of_resources(&error) => {
            client.batch_execute("ROLLBACK TO SAVEPOINT put_back; RELEASE SAVEPOINT put_back").await?;
            // A default goes with its column.
            if taken.is_default && error.code() == Some(&SqlState::UNDEFINED_COLUMN) {
                return Ok(Ok(None));
            }
            Ok(Err(error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default()))
        }
        Err(error) => Err(error),
    }
}

async fn make_again(client: &Client, taken: &Taken) -> Result<Option<(u32, Vec<String>)>, Error> {
    let mut statements = Vec::new();
    let mut now = taken.find(client).await?;
    if now.is_none() {
        for sql in &taken.making {
            client.batch_execute(sql).await?;
            statements.push(sql.clone());
        }
        now = taken.find(client).await?;
    }
    let Some(now) = now else { return Ok(None) };
    taken.give_back(client, now).await?;
    Ok(Some((now, statements)))
}

/// The changelog's word for its end, where an earlier bundle made it.
async fn was_bundles(client: &Client, taken: &Taken) -> Result<Option<&'static str>, Error> {
    let Some((made_by, names)) = &taken.made_by else { return Ok(None) };
    let change_type = match made_by.as_str() {
        "CreateView" => "DropView",
        "CreateMaterializedView" => "DropMaterializedView",
        "CreateTrigger" => "DropTrigger",
        "CreatePolicy" => "DropPolicy",
        "CreateRule" => "DropRule",
        "CreateIndex" => "DropIndex",
        _ => return Ok(None),
    };
    let query = "SELECT EXISTS (SELECT FROM public._stonescriptdb_gateway_changelog
                                WHERE change_type = $1 AND object_name = ANY ($2))";
    let known: bool = client.query_one(query, &[made_by, names]).await?.get(0);
    Ok(known.then_some(change_type))
}

/// What to do about dependants that cannot be made again.
pub const HINT: &str = "change them in the same bundle, or drop them in a migration of their own";

/// Codes with which PostgreSQL says that other objects depend on what a statement changes.
pub const DEPENDED_ON: &[SqlState] = &[SqlState::DEPENDENT_OBJECTS_STILL_EXIST, SqlState::FEATURE_NOT_SUPPORTED];

/// The routine of that signature as `path` finds it, and its name in full.
async fn find_routine(client: &Client, path: &str, signature: &str) -> Result<Option<(u32, String)>, Error> {
    let query = under(Under::Path(path), "SELECT to_regprocedure($1)::oid");
    let rows = ask(client, &query, &[(&signature, Type::TEXT)]).await?;
    let Some(oid) = rows.first().and_then(|row| row.get::<_, Option<u32>>(0)) else { return Ok(None) };
    let name = client.query_one("SELECT $1::oid::regprocedure::text", &[&oid]).await?.get(0);
    Ok(Some((oid, name)))
}
