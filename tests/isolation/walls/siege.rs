//! Platform `a` tries everything, in every place where its code runs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::attempt::Attempt;
use super::invariants::Standing;
use super::{raw, uploaded, web as requests};
use crate::place::{Gateway, Place};
use crate::web::Web;

/// What `b` keeps, and nobody but `b` may read.
pub(super) const SECRET: &str = "b-keeps-8c1f9e2d";

const B: &[(&str, &str)] = &[
    ("tables/secret.sql", "CREATE TABLE secret (word text PRIMARY KEY);"),
    ("seeders/secret.sql", "INSERT INTO secret VALUES ('b-keeps-8c1f9e2d');"),
    ("functions/tell.sql", "CREATE FUNCTION tell() RETURNS text LANGUAGE sql STABLE AS $$ SELECT word FROM secret $$;"),
    WHO,
];

const WHO: (&str, &str) = (
    "functions/who.sql",
    "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user || ' ' || current_user $$;",
);

/// Runs what it is told; what such a function cannot do, no function can.
const ATTEMPT: &str = "CREATE FUNCTION attempt(p_sql text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE answer text;
    BEGIN
        IF p_sql ILIKE 'SELECT%' THEN EXECUTE p_sql INTO answer; ELSE EXECUTE p_sql; END IF;
        RETURN answer;
    END $$;
    CREATE FUNCTION attempt_as_owner(p_sql text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN RETURN public.attempt(p_sql); END $$;";

/// Runs every attempt, takes back what worked, and notes what came of each.
const TRY_ALL: &str = "CREATE FUNCTION try_all(p_way text) RETURNS boolean LANGUAGE plpgsql SET search_path = public AS $$
    DECLARE one record; answer text; state text;
    BEGIN
        FOR one IN SELECT * FROM public.attempts() LOOP
            answer := NULL;
            BEGIN
                IF one.sql ILIKE 'SELECT%' THEN EXECUTE one.sql INTO answer; ELSE EXECUTE one.sql; END IF;
                RAISE EXCEPTION USING ERRCODE = 'ZZ999';
            EXCEPTION WHEN OTHERS THEN
                state := CASE SQLSTATE WHEN 'ZZ999' THEN '00000' ELSE SQLSTATE END;
            END;
            INSERT INTO public.outcome VALUES (p_way, session_user || ' ' || current_user, one.name, one.sql, state, answer);
        END LOOP;
        RETURN true;
    END $$;
    CREATE FUNCTION try_all_of_an_index(p_way text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public AS $$
    BEGIN RETURN public.try_all(p_way); END $$;
    CREATE FUNCTION on_tracking() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM public.try_all('trigger on ' || TG_TABLE_NAME); RETURN NULL; END $$;";

/// Where uploaded code runs while the gateway deploys.
const PLACES: &[(&str, &str)] = &[
    (
        "tables/outcome.sql",
        "CREATE TABLE outcome (way text, who text, name text, sql text, sqlstate text, answer text);",
    ),
    (
        "tables/baited.sql",
        "CREATE TABLE baited (id int PRIMARY KEY, tried boolean DEFAULT try_all('default'));
        CREATE TABLE checked (id int PRIMARY KEY CHECK (try_all('check')));
        CREATE TABLE indexed (id int PRIMARY KEY);
        CREATE INDEX indexed_by ON indexed ((try_all_of_an_index('index')));",
    ),
    (
        "seeders/baited.sql",
        "INSERT INTO baited (id) VALUES (1); INSERT INTO checked VALUES (1); INSERT INTO indexed VALUES (1);",
    ),
    ("views/tried.sql", "CREATE MATERIALIZED VIEW tried AS SELECT try_all('materialized view') AS tried;"),
    ("migrations/001.sql", "SELECT try_all('migration');"),
    (
        "functions/outcomes.sql",
        "CREATE FUNCTION outcomes() RETURNS SETOF outcome LANGUAGE sql STABLE AS $$ SELECT * FROM outcome $$;",
    ),
];

/// One gateway under siege.
pub(super) struct Siege<'a> {
    pub(super) web: Web,
    pub(super) superuser: Config,
    gateway: &'static str,
    place: &'a Place,
    program: &'a Gateway,
    /// What the attempts' texts say in braces.
    words: BTreeMap<&'static str, String>,
    files: Vec<(String, String)>,
    /// What came out wrong. All of it is told at the end, so that one look says which walls are missing.
    wrong: Vec<String>,
}

impl<'a> Siege<'a> {
    /// Registers both platforms. `gateway` is the gateway's role.
    pub(super) async fn lay(place: &'a Place, program: &'a Gateway, superuser: Config, gateway: &'static str) -> Self {
        let web = Web::new(program.address());
        assert_eq!(web.post("/platform/register", json!({ "platform": "b" })).await.0, 201);
        web.register("b", B).await;
        assert_eq!(web.upload("/register", &[("platform", "b"), ("tenant_id", "t1")], B).await.0, 200);
        assert_eq!(web.upload("/platform/b/schema", &[("schema_name", "stock")], B).await.0, 201);
        let create = json!({ "platform": "b", "schema_name": "stock", "database_id": "x1" });
        assert_eq!(web.post("/database/create", create).await.0, 201);
        let mut siege = Self {
            web,
            superuser,
            gateway,
            place,
            program,
            words: BTreeMap::new(),
            files: Vec::new(),
            wrong: Vec::new(),
        };
        siege.words = BTreeMap::from([
            ("b", "b_main".to_owned()),
            ("mine", "a_main".to_owned()),
            ("tenant", "a_t1".to_owned()),
            ("their_tenant", "b_t1".to_owned()),
            ("me", "stonescriptdb-a".to_owned()),
            ("other", "stonescriptdb-b".to_owned()),
            ("gateway", gateway.to_owned()),
        ]);
        siege.files = siege.bundle();
        siege
    }

    /// All of it; gives what came out wrong.
    pub(super) async fn run(mut self) -> Vec<String> {
        let (status, body) = self.upload("/register", "").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(self.upload("/register", "t1").await.0, 200);
        self.find_blueprints().await;
        let busy = self.occupy_b().await;
        let before = Standing::read(&self.superuser).await;

        self.judge_outcomes().await;
        self.call_each("attempt").await;
        self.call_each("attempt_as_owner").await;
        self.deploy_to_tenants().await;
        self.send_requests().await;
        self.send_raw().await;
        self.enter_others().await;
        self.take_all_connections().await;
        self.set_everything().await;
        self.lock_itself_out().await;

        assert!(!busy.is_finished(), "somebody ended a session of b's");
        busy.abort();
        let after = Standing::read(&self.superuser).await;
        self.assert_b_works().await;
        self.wrong.extend(before.differences(&after));
        self.wrong
    }

    fn bundle(&self) -> Vec<(String, String)> {
        let list: Vec<String> = uploaded()
            .iter()
            .map(|attempt| format!("({}, {})", quoted(attempt.name), quoted(&self.filled(attempt.sql))))
            .collect();
        let attempts = format!(
            "CREATE FUNCTION attempts() RETURNS TABLE (name text, sql text) LANGUAGE sql IMMUTABLE AS $list$ VALUES {} $list$;",
            list.join(",\n")
        );
        let mut files: Vec<(String, String)> =
            PLACES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        files.push(("functions/attempts.sql".to_owned(), attempts));
        files.push(("functions/try_all.sql".to_owned(), TRY_ALL.to_owned()));
        files.push(("functions/attempt.sql".to_owned(), ATTEMPT.to_owned()));
        files.push((WHO.0.to_owned(), WHO.1.to_owned()));
        files
    }

    fn filled(&self, text: &str) -> String {
        let replace = |text: String, (word, value): (&&str, &String)| text.replace(&format!("{{{word}}}"), value);
        self.words.iter().fold(text.to_owned(), replace)
    }

    /// Uploads the bundle as it is now, for the main database where `tenant` is empty.
    async fn upload(&mut self, path: &str, tenant: &str) -> (u16, Value) {
        let files: Vec<(&str, &str)> = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let answer = self.web.upload(path, &[("platform", "a"), ("tenant_id", tenant)], &files).await;
        self.must_keep_the_secret("an upload", &answer.1);
        answer
    }

    async fn call(&mut self, function: &str, params: Value) -> (u16, Value) {
        let answer = self.web.call("a", function, params).await;
        self.must_keep_the_secret(function, &answer.1);
        answer
    }

    fn must_keep_the_secret(&mut self, what: &str, answer: &Value) {
        if answer.to_string().contains(SECRET) {
            self.wrong.push(format!("{what} tells b's secret: {answer}"));
        }
    }

    /// A session of `b`'s own, whose statement has the secret in it.
    async fn occupy_b(&self) -> tokio::task::JoinHandle<()> {
        let client = self.connect_as("b", "b_main").await.unwrap();
        tokio::spawn(async move {
            let _ = client.batch_execute(&format!("SELECT '{SECRET}', pg_sleep(600)")).await;
        })
    }

    /// What came of the attempts that ran while the gateway deployed.
    async fn judge_outcomes(&mut self) {
        let (status, body) = self.call("outcomes", json!([])).await;
        assert_eq!(status, 200, "{body}");
        let attempts = uploaded();
        let by_name: BTreeMap<String, &Attempt> =
            attempts.iter().map(|attempt| (self.filled(attempt.sql), attempt)).collect();
        let rows = body["rows"].as_array().unwrap();
        let mut ways = BTreeMap::new();
        for row in rows {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            *ways.entry(text("way")).or_insert(0) += 1;
            if text("who") != "stonescriptdb-a stonescriptdb-a" {
                self.wrong.push(format!("{} ran as {}", text("way"), text("who")));
            }
            self.wrong.extend(by_name[&text("sql")].judge(&text("way"), &text("sqlstate")));
        }
        for way in ["default", "check", "index", "materialized view", "migration"] {
            assert!(ways.get(way).is_some_and(|count| *count >= attempts.len()), "{way}: {ways:?}");
        }
    }

    async fn call_each(&mut self, function: &str) {
        for attempt in uploaded() {
            let (_, body) = self.call(function, json!([self.filled(attempt.sql)])).await;
            let sqlstate = body["sqlstate"].as_str().unwrap_or(if body["rows"].is_array() { "00000" } else { "none" });
            self.wrong.extend(attempt.judge(function, sqlstate));
            let who = self.call("who", json!([])).await;
            if who.1["rows"][0]["who"] != "stonescriptdb-a stonescriptdb-a" {
                self.wrong.push(format!("after {} ({function}) a call ran as {who:?}", attempt.name));
            }
        }
    }

    /// The same inside databases that are there, with triggers on the gateway's own tables.
    async fn deploy_to_tenants(&mut self) {
        let planted = "SELECT try_all('migration of a tenant');
            DO $$ DECLARE one text; BEGIN
                FOR one IN SELECT relname FROM pg_catalog.pg_class WHERE relname LIKE '\\_stonescriptdb\\_%' AND relkind = 'r' LOOP
                    EXECUTE format('CREATE TRIGGER tried AFTER INSERT OR UPDATE ON public.%I FOR EACH STATEMENT
                        EXECUTE FUNCTION public.on_tracking()', one);
                END LOOP;
            END $$;";
        self.files.push(("migrations/002.sql".to_owned(), planted.to_owned()));
        let (status, body) = self.upload("/migrate", "").await;
        // A platform that alters the gateway's tables may be refused for it.
        assert!(status == 200 || status == 409, "{status} {body}");
        self.judge_outcomes().await;
    }

    async fn send_requests(&mut self) {
        for request in requests::requests() {
            let body: Value = serde_json::from_str(&self.filled(&request.body.to_string())).unwrap();
            let (status, answer) = self.web.post(request.path, body.clone()).await;
            if !request.statuses.contains(&status) {
                self.wrong.push(format!("{}: {status} for {} {body}: {answer}", request.name, request.path));
            }
            self.must_keep_the_secret(request.name, &answer);
        }
    }

    async fn send_raw(&mut self) {
        for attempt in raw::OWN {
            let client = self.connect_as("a", "a_main").await.unwrap();
            let sqlstate = match client.batch_execute(&self.filled(attempt.sql)).await {
                Ok(()) => "00000".to_owned(),
                Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
            };
            self.wrong.extend(attempt.judge("a session of the role's", &sqlstate));
        }
    }

    async fn enter_others(&mut self) {
        for (name, database) in raw::OTHERS {
            // What is open to everybody on a server of somebody else's is theirs to close.
            if self.gateway == "gw" && ["postgres", "template1"].contains(database) {
                continue;
            }
            let refused = [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
            match self.connect_as("a", &self.filled(database)).await {
                Ok(_) => self.wrong.push(format!("{name} lets a in")),
                Err(error) if error.code().is_some_and(|code| refused.contains(code)) => {}
                Err(error) => self.wrong.push(format!("{name}: {error:?}")),
            }
        }
    }

    /// As many sessions as the server gives; `b` and the gateway still get theirs.
    async fn take_all_connections(&mut self) {
        let mut held = Vec::new();
        while held.len() < 300 {
            match self.connect_as("a", "a_main").await {
                Ok(client) => held.push(client),
                Err(_) => break,
            }
        }
        if held.len() > 40 {
            self.wrong.push(format!("a holds {} connections", held.len()));
        }
        let (status, body) = self.web.call("b", "tell", json!([])).await;
        if status != 200 || self.program.health() != 200 {
            self.wrong.push(format!("while a holds {} connections, b gets {status} {body}", held.len()));
        }
    }

    /// Every setting that a role may give itself, all at once; calls and deployments still mean what they say.
    async fn set_everything(&mut self) {
        let client = self.connect_as("a", "a_main").await.unwrap();
        for (name, value) in super::settings::SETTINGS {
            let sql = format!("ALTER ROLE CURRENT_USER SET {name} = {value}");
            if let Err(error) = client.batch_execute(&sql).await {
                // Another version may not have it, or keep it from roles.
                if ![Some(&SqlState::UNDEFINED_OBJECT), Some(&SqlState::INSUFFICIENT_PRIVILEGE)].contains(&error.code())
                {
                    self.wrong.push(format!("{sql}: {error:?}"));
                }
            }
        }
        drop(client);
        self.program_again().await;
        let who = self.who_soon().await;
        if who != "stonescriptdb-a stonescriptdb-a" {
            self.wrong.push(format!("with settings of its own a call ran as {who}"));
        }
        let (status, body) = self.web.upload("/register", &[("platform", "a"), ("tenant_id", "t2")], &[WHO]).await;
        if status != 200 {
            self.wrong.push(format!("with settings of its own, a new tenant: {status} {body}"));
        }
        let more = [WHO, ("tables/more.sql", "CREATE TABLE more (id int DEFAULT 1, word text DEFAULT 'a\\b');")];
        let (status, body) = self.web.upload("/migrate", &[("platform", "a"), ("tenant_id", "t2")], &more).await;
        if status != 200 {
            self.wrong.push(format!("with settings of its own, a release: {status} {body}"));
        }
    }

    /// Its own password, which a role may change: it gets the one on record again.
    async fn lock_itself_out(&mut self) {
        for password in ["'mine'", "NULL"] {
            // As the role itself would; its own sessions do not start any more under its settings.
            let sql = format!("ALTER ROLE \"stonescriptdb-a\" PASSWORD {password}");
            self.connect_as_superuser("postgres").await.batch_execute(&sql).await.unwrap();
            self.program_again().await;
            if self.who_soon().await != "stonescriptdb-a stonescriptdb-a" {
                self.wrong.push(format!("after {sql} a call ran as somebody else"));
            }
            let (status, body) = self.web.upload("/register", &[("platform", "a"), ("tenant_id", "t3")], &[WHO]).await;
            if status != 200 {
                self.wrong.push(format!("after {sql}: {status} {body}"));
            }
        }
    }

    /// As whom a call of `a`'s runs; one whose session was ended on its way is sent again.
    async fn who_soon(&self) -> Value {
        for _ in 0..20 {
            let (status, body) = self.web.call("a", "who", json!([])).await;
            if status != 503 {
                return body["rows"][0]["who"].clone();
            }
        }
        Value::Null
    }

    /// Sessions that are there have the settings of before; new ones begin when the others are ended.
    async fn program_again(&self) {
        let admin = self.connect_as_superuser("postgres").await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'stonescriptdb-a'";
        admin.batch_execute(sql).await.unwrap();
    }

    async fn assert_b_works(&mut self) {
        assert_eq!(self.web.value("b", "tell", json!([])).await, SECRET);
        assert_eq!(self.web.value("b", "who", json!([])).await, "stonescriptdb-b stonescriptdb-b");
        let (status, body) = self.web.upload("/register", &[("platform", "b")], B).await;
        assert_eq!((status, &body["functions_deployed"]), (200, &json!(0)), "{body}");
        let at = json!({ "platform": "b", "schema_name": "stock", "database_id": "x1", "function": "tell" });
        assert_eq!(self.web.post("/call", at).await.1["rows"][0]["tell"], SECRET);
        let mut more = B.to_vec();
        more.push(("tables/more.sql", "CREATE TABLE more (id int);"));
        let (status, body) = self.web.upload("/migrate", &[("platform", "b")], &more).await;
        assert_eq!(status, 200, "{body}");
    }

    async fn find_blueprints(&mut self) {
        let name = if self.gateway == "gw" { "a server of somebody else's" } else { "the gateway's own" };
        let client = self.connect_as_superuser("stonescriptdb-gateway").await;
        for (word, platform) in [("blueprint", "a"), ("their_blueprint", "b")] {
            let sql = "SELECT name FROM public.blueprints WHERE platform = $1 ORDER BY built_at DESC LIMIT 1";
            let row = client.query_one(sql, &[&platform]).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            self.words.insert(word, row.get(0));
        }
    }

    pub(super) async fn connect_as_superuser(&self, database: &str) -> Client {
        connect(self.superuser.clone().dbname(database)).await.unwrap()
    }

    /// As a platform's role, with the password that the gateway has on record.
    async fn connect_as(&self, platform: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let path = self.place.data_dir().join(platform).join("platform.json");
        let record: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let password = record["credentials"]["password"].as_str().unwrap();
        let mut config = self.superuser.clone();
        connect(config.user(format!("stonescriptdb-{platform}")).password(password).dbname(database)).await
    }
}

pub(super) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
