//! One object that was taken off: how to make it again, and what belongs to it.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::Address;

/// An object that stands aside, or is about to.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// As it was before.
    pub(super) address: Address,
    /// As PostgreSQL prints it: `view totals`.
    pub(super) description: String,
    /// The default of a column.
    pub(super) is_default: bool,
    /// SQL for its oid, `NULL` where it is not there.
    finder: String,
    /// Takes it off.
    pub(super) dropping: String,
    /// Make it again.
    pub(super) making: Vec<String>,
    /// Owner and comment.
    belongings: Vec<String>,
    privileges: BTreeSet<Privilege>,
    /// The changelog's word for what makes such a thing, and the names it may have there.
    pub(super) made_by: Option<(String, Vec<String>)>,
    /// Why it could not be made again so far.
    pub(super) refusal: Option<String>,
    /// What it had to give way to.
    pub(super) because: String,
    /// Whether that was a function.
    pub(super) for_function: bool,
    /// A generated column that stands aside for a function or operator that it uses: it comes back at once or not at all.
    pub(super) has_to_return: bool,
}

/// `SELECT ON TABLE v`, to whom, with the right to pass it on.
type Privilege = (String, String, bool);

/// The definitions of `objects`, in their order; `Err` holds those that cannot be taken off, as PostgreSQL prints them.
pub(super) async fn read(client: &Client, objects: &[Address]) -> Result<Result<Vec<Taken>, Vec<String>>, Error> {
    let (classes, oids, subs) = Address::columns(objects);
    let rows = client.query(include_str!("definitions.sql"), &[&classes, &oids, &subs]).await?;
    let mut taken: Vec<Option<Taken>> = vec![None; objects.len()];
    for row in rows {
        let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        let Some(address) = objects.get(place).copied() else { continue };
        let made_by: Option<String> = row.get(6);
        let names: Option<Vec<Option<String>>> = row.get(7);
        taken[place] = Some(Taken {
            address,
            description: row.get(1),
            is_default: row.get(8),
            finder: row.get(2),
            dropping: row.get(3),
            making: row.get(4),
            belongings: row.get(5),
            privileges: read_privileges(client, address.class, address.object).await?,
            made_by: made_by.map(|word| (word, names.into_iter().flatten().flatten().collect())),
            refusal: None,
            because: String::new(),
            for_function: false,
            has_to_return: false,
        });
    }
    let unknown: Vec<Address> =
        objects.iter().zip(&taken).filter(|(_, taken)| taken.is_none()).map(|(object, _)| *object).collect();
    if unknown.is_empty() {
        return Ok(Ok(taken.into_iter().flatten().collect()));
    }
    Ok(Err(describe(client, &unknown).await?))
}

/// As PostgreSQL prints them.
pub(super) async fn describe(client: &Client, objects: &[Address]) -> Result<Vec<String>, Error> {
    let (classes, oids, subs) = Address::columns(objects);
    let query = "SELECT pg_describe_object(class, object, sub) FROM unnest($1::oid[], $2::oid[], $3::int4[]) AS o (class, object, sub)";
    let rows = client.query(query, &[&classes, &oids, &subs]).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).collect())
}

async fn read_privileges(client: &Client, class: u32, object: u32) -> Result<BTreeSet<Privilege>, Error> {
    let rows = client.query(include_str!("privileges.sql"), &[&class, &object]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

impl Taken {
    /// What belongs to it goes to the routine `oid`, which PostgreSQL prints as `name`.
    pub(super) fn becomes(&mut self, oid: u32, name: &str) {
        // `DROP FUNCTION public.f(integer)`
        let old = self.dropping.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
        self.finder = format!("{oid}::oid");
        for sql in &mut self.belongings {
            *sql = sql.replacen(&old, name, 1);
        }
        let renamed = |(what, who, option): &Privilege| (what.replacen(&old, name, 1), who.clone(), *option);
        self.privileges = self.privileges.iter().map(renamed).collect();
    }

    /// The oid under which it stands now.
    pub(super) async fn find(&self, client: &Client) -> Result<Option<u32>, Error> {
        Ok(client.query_one(&format!("SELECT {}", self.finder), &[]).await?.get(0))
    }

    /// Gives the object that stands in its place what belonged to the old one. What is about a column that is gone
    /// goes with the column.
    pub(super) async fn give_back(&self, client: &Client, now: u32) -> Result<(), Error> {
        for sql in &self.belongings {
            forgiving(client, sql).await?;
        }
        let there = read_privileges(client, self.address.class, now).await?;
        for (what, who, grantable) in self.privileges.difference(&there) {
            let option = if *grantable { " WITH GRANT OPTION" } else { "" };
            forgiving(client, &format!("GRANT {what} TO {who}{option}")).await?;
        }
        for (what, who, _) in there.difference(&self.privileges) {
            if !self.privileges.iter().any(|(other, to, _)| (other, to) == (what, who)) {
                forgiving(client, &format!("REVOKE {what} FROM {who}")).await?;
            }
        }
        Ok(())
    }
}

async fn forgiving(client: &Client, sql: &str) -> Result<(), Error> {
    client.batch_execute("SAVEPOINT belonging").await?;
    let result = client.batch_execute(sql).await;
    let gone = [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_OBJECT];
    match result {
        Err(error) if error.code().is_some_and(|code| gone.contains(code)) => {
            client.batch_execute("ROLLBACK TO SAVEPOINT belonging").await
        }
        Err(error) => Err(error),
        Ok(()) => client.batch_execute("RELEASE SAVEPOINT belonging").await,
    }
}
