<?php
/**
 * What a framework's command or service provider needs for platforms with stored schemas (docs/api/v2.md): the platform is registered once,
 * each schema uploaded, and a database made for each store.
 *
 *     $service = new GatewayService(new StoneScriptDB('http://127.0.0.1:9000', 'stores'), 'stores');
 *     $service->prepare(['main_db' => 'schemas/main_db/postgresql', 'tenant_db' => 'schemas/tenant_db/postgresql']);
 *     $service->database('tenant_db', 'store_001');
 */

declare(strict_types=1);

require_once __DIR__ . '/StoneScriptDB.php';

final class GatewayService
{
    public function __construct(private readonly StoneScriptDB $gateway, private readonly string $platform)
    {
    }

    /** Whether the gateway knows the platform. */
    public function isRegistered(): bool
    {
        return in_array($this->platform, array_column($this->gateway->get('/platforms')['platforms'], 'name'), true);
    }

    /**
     * Registers the platform where it is not known yet, and uploads its schemas. May be done at each start.
     *
     * @param array<string, string> $schemas folder by the schema's name
     */
    public function prepare(array $schemas): void
    {
        if (!$this->isRegistered()) {
            $this->unlessThere(fn () => $this->gateway->post('/platform/register', ['platform' => $this->platform]));
        }
        foreach ($schemas as $name => $folder) {
            $this->gateway->upload("/platform/$this->platform/schema", ['schema_name' => $name], $folder);
        }
    }

    /** Makes a database from a stored schema, where it is not there yet. */
    public function database(string $schema, string $id): void
    {
        $fields = ['platform' => $this->platform, 'schema_name' => $schema, 'database_id' => $id];
        $this->unlessThere(fn () => $this->gateway->post('/database/create', $fields));
    }

    /** Brings the databases of a schema to what was uploaded last; `$id`: only this one. */
    public function migrate(string $schema, ?string $id = null, bool $force = false): array
    {
        $fields = ['platform' => $this->platform, 'schema_name' => $schema, 'force' => $force];
        return $this->gateway->post('/v2/migrate', $id === null ? $fields : $fields + ['database_id' => $id]);
    }

    /** Somebody else may have been quicker: 400, or 409 with CONFLICT_STATUS=409. */
    private function unlessThere(callable $create): void
    {
        try {
            $create();
        } catch (StoneScriptDBException $refusal) {
            $isThere = $refusal->error === 'database_already_exists'
                || $refusal->error === 'invalid_request' && $this->isRegistered();
            if (!$isThere) {
                throw $refusal;
            }
        }
    }
}
