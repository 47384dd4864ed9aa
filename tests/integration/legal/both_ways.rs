//! Two versions of one file: a database is brought from the one to the other and back, and each time is as a new one.

use super::{files, without_place};
use crate::support::catalog::{assert_same, identity, in_words};
use crate::support::{Platform, register};

/// Two versions of `tables/t.sql`.
pub(super) struct BothWays {
    /// What it is about.
    pub(super) name: &'static str,
    /// One version.
    pub(super) one: &'static str,
    /// The other one.
    pub(super) other: &'static str,
    /// Rows that both allow.
    pub(super) rows: &'static str,
    /// Whether the way there, and the way back, need `force=true`.
    pub(super) force: [bool; 2],
}

/// Checks them all, and says which fail; a runtime for each, as each test has.
pub(super) fn check_all(cases: &'static [BothWays]) {
    let run = |case: &'static BothWays| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(case.check());
    };
    let mut failed = Vec::new();
    for cases in cases.chunks(4) {
        let running: Vec<_> = cases.iter().map(|case| (case.name, std::thread::spawn(move || run(case)))).collect();
        failed.extend(running.into_iter().filter_map(|(name, one)| one.join().is_err().then_some(name)));
    }
    assert_eq!(failed, Vec::<&str>::new());
}

impl BothWays {
    async fn check(&self) {
        let platform = Platform::new();
        let [one, other] = [self.one, self.other].map(|text| files(&[("tables/t.sql", text)]));
        let first = platform.register(&one).await;
        assert_eq!(first.status, 200, "{}: {first}", self.name);
        platform.sql().await.run(self.rows).await;
        for (way, (bundle, force)) in ["there", "back"].into_iter().zip([&other, &one].into_iter().zip(self.force)) {
            let what = format!("{}, {way}", self.name);
            let mut answer = platform.register(bundle).await;
            if force {
                assert_eq!(answer.status, 409, "{what}: {answer}");
                answer = platform.register_forced(bundle).await;
            }
            assert_eq!(answer.status, 200, "{what}: {answer}");
            let before = identity(&platform.main()).await;
            let again = platform.register(bundle).await;
            assert_eq!(again.status, 200, "{what}: {again}");
            assert_same(&format!("{what}, sent again"), &before, &identity(&platform.main()).await);
            // What somebody else does makes the gateway look at everything.
            platform.sql().await.run("CREATE VIEW by_hand AS SELECT 1; DROP VIEW by_hand").await;
            let again = platform.register(bundle).await;
            assert_eq!(again.status, 200, "{what}: {again}");
            assert_same(&format!("{what}, looked at again"), &before, &identity(&platform.main()).await);
            let new = register(platform.name(), Some(way), bundle).await;
            assert_eq!(new.status, 200, "{what}, a new database: {new}");
            let (upgraded, new) = (in_words(&platform.main()).await, in_words(&platform.database(way)).await);
            let sorted = |lines: Vec<String>| {
                let mut lines: Vec<_> = lines.iter().map(|line| without_place(line)).collect();
                lines.sort();
                lines
            };
            assert_same(&what, &sorted(upgraded), &sorted(new));
        }
    }
}
