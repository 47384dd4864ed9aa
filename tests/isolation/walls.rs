//! Walls: everything that a hostile platform `a` tries, as its role, in each place where its code runs; and that another
//! platform `b`, the gateway and the server stand as they stood before.

mod attempt;
mod invariants;
mod raw;
mod settings;
mod siege;
mod statements;
mod web;

use nix::sys::signal::Signal;

use crate::outside::Outside;
use crate::place::{Place, Who};
use attempt::Attempt;
use siege::Siege;

/// All that runs inside of what a platform uploads.
fn uploaded() -> Vec<Attempt> {
    use statements::{FILES, OBJECTS, ROLES, SESSIONS, SETTINGS};
    [FILES, ROLES, SETTINGS, SESSIONS, OBJECTS].concat()
}

#[test]
fn there_are_more_than_a_hundred_attempts_and_each_has_a_name_of_its_own() {
    let all = [uploaded(), raw::OWN.to_vec()].concat();
    let names: std::collections::HashSet<&str> = all.iter().map(|attempt| attempt.sql).collect();
    assert_eq!(names.len(), all.len(), "an attempt is there twice");
    assert!(all.len() + raw::OTHERS.len() + web::requests().len() > 200, "{}", all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_platform_reaches_another_on_the_private_postgresql() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "*"), ("MAX_TOTAL_CONNECTIONS", "40")]);
    gateway.wait_until_healthy();
    let siege = Siege::lay(&place, &gateway, place.superuser(), "stonescriptdb").await;
    assert_none(&siege.run().await, &gateway.stop(Signal::SIGTERM));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_platform_reaches_another_where_the_gateway_is_no_superuser() {
    let place = Place::new(Who::possible()[0]);
    let outside = Outside::start().await;
    let settings = outside.settings();
    let mut variables: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("MAX_TOTAL_CONNECTIONS", "40"));
    let gateway = place.start(&variables);
    gateway.wait_until_healthy();
    let siege = Siege::lay(&place, &gateway, outside.superuser(), "gw").await;
    assert_none(&siege.run().await, &gateway.stop(Signal::SIGTERM));
    outside.stop().await;
}

/// With what the gateway said about it.
fn assert_none(wrong: &[String], log: &str) {
    let log: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    assert!(wrong.is_empty(), "{} walls are missing:\n{}\n{}", wrong.len(), wrong.join("\n"), log.join("\n"));
}
