//! Whose a database is, and which one an address leads to.

use stonescriptdb_gateway::databases::name::Address;
use stonescriptdb_gateway::databases::{DatabaseError, Databases, Ownership, RunAs};

use crate::support::*;

#[tokio::test]
async fn a_database_has_the_owner_that_claimed_it() {
    let databases = databases(&wide_pools());
    let platform = platform();
    let address = tenant_of(&platform, "t1");
    assert_eq!(databases.find(&address).await.unwrap(), Ownership::Missing);
    databases.claim(&address).await.unwrap();
    assert_eq!(databases.find(&address).await.unwrap(), Ownership::Recorded { exists_on_server: false });
    databases.create_database(address.name(), None, &RunAs::Gateway).await.unwrap();
    assert_eq!(databases.find(&address).await.unwrap(), Ownership::Recorded { exists_on_server: true });
    databases.claim(&address).await.unwrap();
    let upper = tenant_of(&platform.to_uppercase(), "t1");
    assert_eq!(databases.find(&upper).await.unwrap(), Ownership::Recorded { exists_on_server: true });
    databases.drop_database(address.name()).await.unwrap();
    forget_record(&databases, &address).await;
    assert_eq!(databases.find(&address).await.unwrap(), Ownership::Missing);
}

/// As somebody by hand would.
async fn forget_record(databases: &Databases, address: &Address) {
    let control = databases.control().await.unwrap();
    control.execute("DELETE FROM public.databases WHERE name = $1", &[&address.name().as_str()]).await.unwrap();
}

#[tokio::test]
async fn ids_that_read_the_same_are_told_apart() {
    let databases = databases(&wide_pools());
    let platform = platform();
    for (recorded, other) in [
        (tenant_of(&platform, "a-b"), tenant_of(&platform, "a_b")),
        (tenant_of(&platform, "org1"), tenant_of(&platform, "Org1")),
        (main_of(&platform), tenant_of(&platform, "main")),
        (stored_of(&platform, "s", "b_c"), stored_of(&platform, "s_b", "c")),
        (stored_of(&platform, "x", "y"), tenant_of(&platform, "x_y")),
    ] {
        databases.claim(&recorded).await.unwrap();
        assert!(matches!(databases.find(&other).await.unwrap(), Ownership::OtherSpelling { .. }), "{other:?}");
        let error = databases.claim(&other).await.unwrap_err();
        assert!(matches!(error, DatabaseError::OtherSpelling { .. }), "{error:?}");
    }
    let error = databases.claim(&tenant_of(&platform, "A_B")).await.unwrap_err().to_string();
    assert!(error.contains("tenant_id \"a-b\""), "{error}");
}

#[tokio::test]
async fn another_platform_never_gets_in() {
    let databases = databases(&wide_pools());
    let (my, my_app) = (platform(), platform());
    // my + tenant app_main and my_app + main read the same.
    let (first, second) = (tenant_of(&my, &format!("{my_app}_main")), main_of(&format!("{my}_{my_app}")));
    assert_eq!(first.name(), second.name());
    make(&databases, &second, "").await;
    assert_eq!(databases.find(&first).await.unwrap(), Ownership::OtherPlatform);
    assert!(matches!(databases.claim(&first).await, Err(DatabaseError::OtherPlatform { .. })));
    assert!(databases.resolve(&second, &RunAs::Gateway).await.is_ok());
    // Also when the database is known from before.
    assert!(matches!(databases.resolve(&first, &RunAs::Gateway).await, Err(DatabaseError::OtherPlatform { .. })));
    assert!(databases.list(&id(&my)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_database_made_by_hand_has_no_owner_until_it_is_claimed() {
    let databases = databases(&wide_pools());
    let address = main_of(&platform());
    databases.create_database(address.name(), None, &RunAs::Gateway).await.unwrap();
    assert_eq!(databases.find(&address).await.unwrap(), Ownership::Unrecorded);
    let error = databases.resolve(&address, &RunAs::Gateway).await.unwrap_err().to_string();
    assert!(error.contains("POST /register adopts it"), "{error}");
    databases.claim(&address).await.unwrap();
    assert!(databases.resolve(&address, &RunAs::Gateway).await.is_ok());
}

#[tokio::test]
async fn a_list_names_a_platforms_databases_and_no_others() {
    let databases = databases(&wide_pools());
    let platform = platform();
    make(&databases, &main_of(&platform), "CREATE TABLE big AS SELECT generate_series(1, 1000)").await;
    make(&databases, &tenant_of(&platform, "T-1"), "").await;
    databases.claim(&stored_of(&platform, "shop", "one")).await.unwrap();
    databases.claim(&main_of(&format!("{platform}_more"))).await.unwrap();
    let list = databases.list(&id(&platform.to_uppercase())).await.unwrap();
    let shown: Vec<_> = list
        .iter()
        .map(|info| (info.name.as_str().replacen(&platform, "p", 1), info.kind(), info.exists_on_server))
        .collect();
    assert_eq!(
        shown,
        [
            ("p_main".to_owned(), "main", true),
            ("p_shop_one".to_owned(), "schema", false),
            ("p_t_1".to_owned(), "tenant", true)
        ]
    );
    assert!(list[0].size_mb().unwrap() >= 7);
    let json = serde_json::to_value(&list[1]).unwrap();
    assert_eq!(json["schema_name"], "shop");
    assert_eq!((&json["size_mb"], &json["missing"]), (&serde_json::Value::Null, &true.into()));
    assert_eq!(list[1].size_bytes, None);
    assert!(list[0].created_at.ends_with('Z') && list[0].created_at.len() == 27, "{}", list[0].created_at);
}

#[tokio::test]
async fn a_list_survives_databases_that_are_dropped_meanwhile() {
    let databases = databases(&wide_pools());
    let platform = platform();
    for tenant in 0..6 {
        make(&databases, &tenant_of(&platform, &format!("t{tenant}")), "").await;
    }
    let dropping = async {
        for tenant in 0..6 {
            databases.drop_database(tenant_of(&platform, &format!("t{tenant}")).name()).await.unwrap();
        }
    };
    let listing = async {
        for _ in 0..100 {
            assert_eq!(databases.list(&id(&platform)).await.unwrap().len(), 6);
        }
    };
    tokio::join!(dropping, listing);
}

#[tokio::test]
async fn an_id_stands_for_the_one_stored_database_that_has_it() {
    let databases = databases(&wide_pools());
    let platform = platform();
    make(&databases, &stored_of(&platform, "shop", "Store-1"), "").await;
    let found = databases.resolve(&tenant_of(&platform, "Store-1"), &RunAs::Gateway).await.unwrap();
    assert_eq!(found.name(), stored_of(&platform, "shop", "store_1").name());
    for other in ["store_1", "STORE_1", "store-1"] {
        let error = databases.resolve(&tenant_of(&platform, other), &RunAs::Gateway).await.unwrap_err();
        assert!(matches!(error, DatabaseError::NotFound { .. }), "{other}: {error:?}");
        assert!(error.to_string().contains(r#"schema_name "shop", database_id "Store-1""#), "{other}: {error}");
    }
    let missing = databases.resolve(&tenant_of(&platform, "store_2"), &RunAs::Gateway).await;
    assert!(matches!(missing, Err(DatabaseError::NotFound { .. })));
    // No main database: the stored one with the id main.
    assert!(matches!(
        databases.resolve(&main_of(&platform), &RunAs::Gateway).await,
        Err(DatabaseError::NotFound { .. })
    ));
    make(&databases, &stored_of(&platform, "shop", "main"), "").await;
    let main = databases.resolve(&main_of(&platform), &RunAs::Gateway).await.unwrap();
    assert_eq!(main.name(), stored_of(&platform, "shop", "main").name());
    // A database of the very name comes first, also after the other one was used.
    make(&databases, &main_of(&platform), "").await;
    assert_eq!(
        databases.resolve(&main_of(&platform), &RunAs::Gateway).await.unwrap().name(),
        main_of(&platform).name()
    );
}

#[tokio::test]
async fn an_id_of_two_stored_databases_is_refused_with_both() {
    let databases = databases(&wide_pools());
    let platform = platform();
    make(&databases, &stored_of(&platform, "shop", "one"), "").await;
    make(&databases, &stored_of(&platform, "crm", "one"), "").await;
    let error = databases.resolve(&tenant_of(&platform, "one"), &RunAs::Gateway).await.unwrap_err();
    let DatabaseError::Ambiguous { databases: names, .. } = error else { panic!("{error}") };
    assert_eq!(names, [format!("{platform}_crm_one"), format!("{platform}_shop_one")]);
}

#[tokio::test]
async fn a_name_made_again_for_another_platform_is_noticed() {
    let (here, there) = (databases(&wide_pools()), databases(&wide_pools()));
    let (my, other) = (platform(), platform());
    let (mine, theirs) = (tenant_of(&my, &format!("{other}_main")), main_of(&format!("{my}_{other}")));
    make(&here, &mine, "").await;
    let database = here.resolve(&mine, &RunAs::Gateway).await.unwrap();
    drop(here.for_call(&database).await.unwrap());
    there.drop_database(mine.name()).await.unwrap();
    forget_record(&there, &mine).await;
    make(&there, &theirs, "").await;
    let error = here.for_call(&database).await.map(drop).unwrap_err();
    assert!(matches!(error, DatabaseError::Gone { .. }), "{error}");
    assert!(matches!(here.resolve(&mine, &RunAs::Gateway).await, Err(DatabaseError::OtherPlatform { .. })));
}

#[tokio::test]
async fn two_gateways_that_start_at_once_agree_on_their_records() {
    let server = crate::server::start();
    let gateways: Vec<_> = (0..6).map(|_| start_on(&server)).collect();
    let platform = platform();
    let claims = gateways.iter().map(|gateway| async { gateway.claim(&main_of(&platform)).await });
    for claim in futures_util::future::join_all(claims).await {
        claim.unwrap();
    }
    // Not for the roles of platforms.
    let client = connect_to(&server, "postgres").await;
    client.batch_execute("CREATE ROLE platform LOGIN").await.unwrap();
    let allowed = client
        .query_one("SELECT has_database_privilege('platform', 'stonescriptdb-gateway', 'CONNECT')", &[])
        .await
        .unwrap();
    assert!(!allowed.get::<_, bool>(0));
    // Dropped by hand, they are made again.
    client.batch_execute("DROP DATABASE \"stonescriptdb-gateway\" WITH (FORCE)").await.unwrap();
    eventually("new records", async || gateways[0].claim(&main_of(&platform)).await.is_ok()).await;
}

fn start_on(server: &crate::server::Server) -> stonescriptdb_gateway::databases::Databases {
    let second = std::time::Duration::from_secs(5);
    stonescriptdb_gateway::databases::Databases::start(server.config.clone(), &wide_pools(), second, second).unwrap()
}
