<?php
/**
 * At a container's start: waits for the gateway, brings the platform's database to its postgresql/ folder, and ends with 0 when the
 * platform may serve. `php register.php && exec php-fpm` in an entrypoint.
 *
 *   DB_GATEWAY_URL    http://127.0.0.1:9000
 *   PLATFORM_ID       required
 *   TENANT_ID         empty: the main database
 *   POSTGRESQL_PATH   ./postgresql
 *   GATEWAY_TOKEN     the admin token, where the gateway asks for it
 */

declare(strict_types=1);

require __DIR__ . '/StoneScriptDB.php';

$setting = fn (string $name, ?string $default = null): ?string => getenv($name) === false || getenv($name) === '' ? $default : getenv($name);

$platform = $setting('PLATFORM_ID');
if ($platform === null) {
    fwrite(STDERR, "PLATFORM_ID is not set: name the platform\n");
    exit(2);
}
$url = $setting('DB_GATEWAY_URL', 'http://127.0.0.1:9000');
$gateway = new StoneScriptDB($url, $platform, $setting('TENANT_ID'), token: $setting('GATEWAY_TOKEN'));
if (!$gateway->waitUntilReady()) {
    fwrite(STDERR, "the gateway at $url did not become ready within a minute\n");
    exit(3);
}
try {
    $done = $gateway->register($setting('POSTGRESQL_PATH', './postgresql'));
} catch (StoneScriptDBException $refusal) {
    fwrite(STDERR, "refused (HTTP $refusal->status, $refusal->error): {$refusal->getMessage()}\n");
    foreach (['file', 'line', 'sqlstate', 'cause', 'detail', 'hint'] as $field) {
        if (isset($refusal->body[$field])) {
            fwrite(STDERR, "  $field: {$refusal->body[$field]}\n");
        }
    }
    exit(1);
}
foreach ($done['warnings'] as $warning) {
    fwrite(STDERR, "warning: $warning\n");
}
echo "{$done['database']} is ready: {$done['migrations_applied']} migrations, {$done['functions_deployed']} functions deployed, "
    . "{$done['functions_unchanged']} unchanged\n";
