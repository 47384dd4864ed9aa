<?php

// The client and the service of examples/php, before a gateway that runs. Prints one line per check: ok or FAILED, and what.
// Called by tests/e2e.sh. Usage: php example.php URL PLATFORM

declare(strict_types=1);

require __DIR__ . '/../../examples/php/GatewayService.php';

[, $url, $platform] = $argv;
$token = getenv('ADMIN_TOKEN') ?: null;
set_error_handler(function (int $level, string $message, string $file, int $line): bool {
    // Where the client asks for no warning, there is none.
    if (error_reporting() & $level) {
        echo "FAILED $message ($file:$line)\n";
    }
    return true;
});

function check(string $what, bool $holds, mixed $shown = null): void
{
    echo $holds ? "ok $what\n" : "FAILED $what: " . json_encode($shown) . "\n";
}

/** What was refused. */
function refusal(callable $request): ?StoneScriptDBException
{
    try {
        $request();
        return null;
    } catch (StoneScriptDBException $refusal) {
        return $refusal;
    }
}

$bundle = function (array $files): string {
    $folder = sys_get_temp_dir() . '/example-' . bin2hex(random_bytes(8));
    foreach ($files as $path => $text) {
        @mkdir(dirname("$folder/$path"), 0755, true);
        file_put_contents("$folder/$path", $text);
    }
    return $folder;
};
$long = str_repeat('a_long_name_', 10);
$folder = $bundle([
    'tables/t.sql' => 'CREATE TABLE t (id int PRIMARY KEY, v text);',
    'functions/two.sql' => "CREATE FUNCTION two() RETURNS SETOF int LANGUAGE sql AS 'SELECT generate_series(1, 2)'",
    'functions/put.sql' => "CREATE FUNCTION put(p_id int, p_v text) RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (p_id, p_v) RETURNING id'",
    'functions/big.sql' => "CREATE FUNCTION big() RETURNS text LANGUAGE sql AS \$\$ SELECT repeat('x', 3000000) \$\$",
    "functions/$long.sql" => "CREATE FUNCTION long_name() RETURNS text LANGUAGE sql AS \$\$ SELECT 'é' \$\$",
]);

$db = new StoneScriptDB($url, $platform, token: $token);
check('ready', $db->waitUntilReady(5));
$done = $db->register($folder);
check('registered', $done['status'] === 'ready' && $done['functions_deployed'] === 4, $done);
check('again', $db->register($folder)['functions_unchanged'] === 4);
check('rows, [] for no parameters', $db->call('two') === [['two' => 1], ['two' => 2]], $db->call('two'));
check('by position', $db->value('put', [1, 'one']) === 1);
check('by name', $db->value('put', ['p_id' => 2, 'p_v' => "Zwölf \u{1F600}"]) === 2);
check('an answer in pieces', strlen($db->value('big')) === 3000000);
check('a file with a long name', $db->value('long_name') === 'é');
$twice = refusal(fn () => $db->call('put', [1, 'again']));
check('a refusal', $twice?->status === 409 && $twice->sqlstate() === '23505' && !$twice->mayHaveRun, $twice?->body);
check('no such function', refusal(fn () => $db->call('nope'))?->error === 'function_not_found');
for ($i = 0, $sum = 0; $i < 200; $i++) {
    $sum += count($db->call('two'));
}
check('two hundred calls on one connection', $sum === 400, $sum);
$tenant = $db->forTenant('t1');
$tenant->register($folder);
check("a tenant's", $tenant->value('put', [1, 'its own']) === 1);
check('a dry run', $db->migrate($folder, dryRun: true)['status'] === 'planned');
$bad = refusal(fn () => $db->register($bundle(['tables/u.sql' => 'CREATE TABLE u (x no_such_type);'])));
check('where it is wrong', $bad?->body['file'] === 'tables/u.sql' && $bad->body['line'] === 1, $bad?->body);
$nobody = refusal(fn () => (new StoneScriptDB('http://127.0.0.1:1', $platform))->call('two'));
check('no gateway', $nobody?->status === 0 && !$nobody->mayHaveRun, $nobody?->getMessage());

$stores = "{$platform}_stores";
$service = new GatewayService(new StoneScriptDB($url, $stores, token: $token), $stores);
check('not registered yet', !$service->isRegistered());
$service->prepare(['tenant_db' => $folder]);
$service->prepare(['tenant_db' => $folder]);
check('registered once', $service->isRegistered());
$service->database('tenant_db', 'store_001');
$service->database('tenant_db', 'store_001');
$called = (new StoneScriptDB($url, $stores, token: $token))->post('/call', [
    'platform' => $stores, 'schema_name' => 'tenant_db', 'database_id' => 'store_001', 'function' => 'two',
]);
check('a database of a stored schema', $called['row_count'] === 2, $called);
check('brought up to date', in_array($service->migrate('tenant_db')['status'], ['completed', 'unchanged'], true));
