<?php
// The platform itself: its data layer is functions. `docker compose up` in the folder above, then http://127.0.0.1:8080/.

declare(strict_types=1);

require __DIR__ . '/../StoneScriptDB.php';

$db = new StoneScriptDB(getenv('DB_GATEWAY_URL') ?: 'http://127.0.0.1:9000', getenv('PLATFORM_ID') ?: 'shop');
header('Content-Type: application/json');
try {
    echo json_encode($db->call('list_users'), JSON_UNESCAPED_UNICODE), "\n";
} catch (StoneScriptDBException $refusal) {
    http_response_code($refusal->status ?: 503);
    echo json_encode(['error' => $refusal->error, 'message' => $refusal->getMessage()]), "\n";
}
