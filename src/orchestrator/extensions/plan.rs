//! Which extensions are missing, in which order they come, and who installs each. Pure.
//!
//! PostgreSQL runs the script of an extension that is not *trusted* as a superuser, and a script finds by a bare name
//! whatever its schema and the schemas of the extensions that it needs hold. So these are the gateway's to install
//! ([`super::as_gateway`]), only where nobody else can have put anything, together with what they need.

use std::collections::{HashMap, HashSet};

use crate::bundle::extension::Extension;
use crate::orchestrator::error::DeployError;

/// What `pg_available_extension_versions` tells of a version.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// E.g. `3.3.2`.
    pub version: String,
    /// Whether it is what `CREATE EXTENSION` takes without a version.
    pub is_default: bool,
    /// Only a superuser may install it, and it is not trusted.
    pub needs_superuser: bool,
    /// Its script runs as whoever installs it, and was not made to run as a superuser where others have been.
    pub runs_as_caller: bool,
    /// Whether `ALTER EXTENSION … SET SCHEMA` can move it.
    pub relocatable: bool,
    /// The only schema that it can be in.
    pub fixed_schema: Option<String>,
    /// The extensions that have to be there before.
    pub requires: Vec<String>,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// On the server, by the extension's name.
    pub available: HashMap<String, Vec<Version>>,
    /// In the database: the extension's name and its schema.
    pub installed: HashMap<String, String>,
    /// The schemas of the database; `true`: the gateway owns it, nobody else can create anything there, and it holds only
    /// members of extensions.
    pub schemas: HashMap<String, bool>,
}

/// An extension to install.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The version that the bundle asks for.
    pub version: Option<String>,
    /// The schema that the bundle names for it, or for the one that needs it.
    pub schema: Option<String>,
    /// The file that asks for it, or for the one that needs it.
    pub path: String,
    /// What the server tells of it.
    pub told: Version,
}

impl Step {
    /// The schema that it gets to itself, or shares with other extensions; none: `public`.
    pub fn own_schema(&self) -> Option<&String> {
        self.schema.as_ref().filter(|schema| *schema != "public")
    }

    /// Whether the bundle names it, not only something that needs it.
    pub fn is_wanted(&self, wanted: &[Extension]) -> bool {
        wanted.iter().any(|extension| extension.name == self.name)
    }
}

/// All that is missing.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the gateway installs, what is needed by others first.
    pub by_gateway: Vec<Step>,
    /// After that: what the session's role installs. What is needed by these and not named by the bundle comes by itself.
    pub by_role: Vec<Step>,
}

/// Works it out. `as_gateway`: uploaded code runs as the gateway's own role, which then installs everything as that code
/// could, too.
pub fn plan(wanted: &[Extension], facts: &Facts, as_gateway: bool) -> Result<Plan, DeployError> {
    let mut closure = Closure { wanted, facts, steps: Vec::new(), seen: HashSet::new() };
    for extension in wanted {
        closure.add(&extension.name, extension, None)?;
    }
    let steps = closure.steps;
    if as_gateway {
        let by_role = steps.into_iter().filter(|step| step.is_wanted(wanted)).collect();
        return Ok(Plan { by_gateway: Vec::new(), by_role });
    }
    let gateways = gateways(&steps, facts);
    let (by_gateway, by_role): (Vec<Step>, Vec<Step>) =
        steps.into_iter().partition(|step| gateways.contains(&step.name));
    let by_role = by_role.into_iter().filter(|step| step.is_wanted(wanted)).collect();
    Ok(Plan { by_gateway, by_role })
}

struct Closure<'a> {
    wanted: &'a [Extension],
    facts: &'a Facts,
    steps: Vec<Step>,
    seen: HashSet<String>,
}

impl Closure<'_> {
    /// What it needs, then itself. `asks`: the file that is to be told of.
    fn add(&mut self, name: &str, asks: &Extension, inherited: Option<&String>) -> Result<(), DeployError> {
        if self.facts.installed.contains_key(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let wanted = self.wanted.iter().find(|extension| extension.name == name);
        let asks = wanted.unwrap_or(asks);
        let asked_version = wanted.and_then(|extension| extension.version.as_ref());
        let told = find(self.facts, name, asked_version, asks)?;
        let schema = wanted.map_or(inherited, |extension| extension.schema.as_ref());
        for required in &told.requires {
            self.add(required, asks, schema)?;
        }
        self.steps.push(Step {
            name: name.to_owned(),
            version: asked_version.cloned(),
            schema: schema.cloned(),
            path: asks.path.clone(),
            told: told.clone(),
        });
        Ok(())
    }
}

fn find<'f>(
    facts: &'f Facts,
    name: &str,
    version: Option<&String>,
    asks: &Extension,
) -> Result<&'f Version, DeployError> {
    let versions = facts.available.get(name).map_or(&[][..], Vec::as_slice);
    let found = match version {
        Some(version) => versions.iter().find(|one| one.version == *version),
        None => versions.iter().find(|one| one.is_default).or(versions.last()),
    };
    found.ok_or_else(|| DeployError::ExtensionNotAvailable {
        name: name.to_owned(),
        version: version.cloned(),
        available: match versions {
            [] => "install its package on the database server".to_owned(),
            versions => {
                let versions: Vec<&str> = versions.iter().map(|one| one.version.as_str()).collect();
                format!("the server has {}", versions.join(", "))
            }
        },
        path: asks.path.clone(),
    })
}

/// Those that only a superuser may install, what they need, and whatever shares a schema with one of them: in a schema of
/// the gateway's nobody else can create anything.
fn gateways(steps: &[Step], facts: &Facts) -> HashSet<String> {
    let is_the_gateways = |schema: &String| schema != "pg_catalog" && facts.schemas.get(schema) == Some(&true);
    let mut names: HashSet<String> = steps
        .iter()
        .filter(|step| step.told.needs_superuser || step.own_schema().is_some_and(is_the_gateways))
        .map(|step| step.name.clone())
        .collect();
    loop {
        let of_gateway = |step: &&Step| names.contains(&step.name);
        let needed: HashSet<&str> =
            steps.iter().filter(of_gateway).flat_map(|step| step.told.requires.iter().map(String::as_str)).collect();
        let schemas: HashSet<&String> = steps.iter().filter(of_gateway).filter_map(Step::own_schema).collect();
        let shares = |step: &Step| step.own_schema().is_some_and(|schema| schemas.contains(schema));
        let more: Vec<String> = steps
            .iter()
            .filter(|step| !names.contains(&step.name) && (needed.contains(step.name.as_str()) || shares(step)))
            .map(|step| step.name.clone())
            .collect();
        if more.is_empty() {
            return names;
        }
        names.extend(more);
    }
}

/// In a database that others have been in: where the gateway's own extensions may go at all.
pub fn check_existing(plan: &Plan, facts: &Facts) -> Result<(), DeployError> {
    plan.by_gateway.iter().try_for_each(|step| {
        check_caller(step)?;
        check_schema(step, facts)?;
        check_needed(step, facts)
    })
}

/// The schemas that scripts find besides: the plan's own and those of what it needs.
pub fn check_path(plan: &Plan, facts: &Facts, schemas: &[&str]) -> Result<(), DeployError> {
    let open = schemas.iter().find(|schema| facts.schemas.get(**schema) == Some(&false));
    match (open, plan.by_gateway.first()) {
        (Some(schema), Some(step)) => {
            Err(refused(step, format!("the schema {schema} has become somebody else's meanwhile; try again")))
        }
        _ => Ok(()),
    }
}

fn check_caller(step: &Step) -> Result<(), DeployError> {
    if !step.told.runs_as_caller {
        return Ok(());
    }
    Err(refused(
        step,
        "it is the platform's own to install, but shares its schema with an extension that only a superuser may install, or \
         is needed by one; give it a schema of its own"
            .to_owned(),
    ))
}

fn check_schema(step: &Step, facts: &Facts) -> Result<(), DeployError> {
    let named = step.told.fixed_schema.as_ref().or(step.own_schema());
    let Some(schema) = named else {
        if step.told.relocatable {
            return Ok(());
        }
        return Err(refused(
            step,
            "it cannot be moved once it is there, so in a database that exists already it needs a schema of its own; write \
             `-- schema: a_new_name` into the file"
                .to_owned(),
        ));
    };
    check_name(step)?;
    match facts.schemas.get(schema) {
        None | Some(true) => Ok(()),
        Some(false) => Err(refused(
            step,
            format!(
                "the schema {schema} is not the gateway's own or holds more than extensions, and the script of an extension \
                 that runs as a superuser must find nothing there that somebody may have prepared; name a new schema"
            ),
        )),
    }
}

/// What is PostgreSQL's own is nobody's to name.
pub fn check_name(step: &Step) -> Result<(), DeployError> {
    match &step.schema {
        // In a search path, `$user` means the schema that is called like the session's role.
        Some(schema) if schema.starts_with("pg_") || schema == "information_schema" || schema == "$user" => {
            Err(refused(step, format!("the schema {schema} is PostgreSQL's own; name another one, or none")))
        }
        _ => Ok(()),
    }
}

fn check_needed(step: &Step, facts: &Facts) -> Result<(), DeployError> {
    let stands_open = |required: &&String| {
        facts.installed.get(*required).is_some_and(|schema| facts.schemas.get(schema) != Some(&true))
    };
    let Some(required) = step.told.requires.iter().find(stands_open) else { return Ok(()) };
    let schema = facts.installed.get(required).map_or("", String::as_str);
    Err(refused(
        step,
        format!(
            "it needs {required}, which is in the schema {schema}, where others may create objects that its script would run \
             as a superuser; a new database gets both, or a superuser installs it by hand"
        ),
    ))
}

/// A refusal in words.
pub fn refused(step: &Step, reason: String) -> DeployError {
    DeployError::ExtensionRefused { name: step.name.clone(), path: step.path.clone(), reason }
}

#[cfg(test)]
mod tests;
