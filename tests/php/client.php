<?php

// A client as PHP command-line tools have it: no curl extension, only the http:// stream wrapper, HTTP/1.0, and a
// multipart body put together by hand. Prints one line per request: the status, a blank, the body.
// Called by tests/e2e.sh, which knows the right answers. Usage: php client.php URL PLATFORM TENANT ARCHIVE

declare(strict_types=1);

[, $url, $platform, $tenant, $archive] = $argv;

/** Sends one POST request and prints its answer. */
function post(string $url, string $contentType, string $body): void
{
    // With ADMIN_SCOPE=deploy a deployment wants it.
    $token = getenv('ADMIN_TOKEN') ? "\r\nAuthorization: Bearer " . getenv('ADMIN_TOKEN') : '';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'protocol_version' => 1.0,
        'header' => "Content-Type: $contentType\r\nContent-Length: " . strlen($body) . $token,
        'content' => $body,
        'ignore_errors' => true,
        'timeout' => 60,
    ]]);
    $answer = file_get_contents($url, false, $context);
    $headers = $http_response_header ?? [];
    $status = explode(' ', $headers[0] ?? 'no answer')[1];
    // HTTP/1.0 does not know chunks, and PHP would hand them to the caller as they are.
    foreach ($headers as $header) {
        if (stripos($header, 'Transfer-Encoding:') === 0) {
            $status .= " ($header)";
        }
    }
    echo $status, ' ', $answer, "\n";
}

/** A multipart body with as short a boundary as there can be. */
function multipart(array $fields, string $file): string
{
    $body = '';
    foreach ($fields as $name => $value) {
        $body .= "--b\r\nContent-Disposition: form-data; name=\"$name\"\r\n\r\n$value\r\n";
    }
    $body .= "--b\r\nContent-Disposition: form-data; name=\"schema\"; filename=\"" . basename($file) . "\"\r\n";
    $body .= "Content-Type: application/gzip\r\n\r\n" . file_get_contents($file) . "\r\n--b--\r\n";
    return $body;
}

function call(string $url, array $request): void
{
    post("$url/call", 'application/json', json_encode($request, JSON_THROW_ON_ERROR));
}

$database = ['platform' => $platform, 'tenant_id' => $tenant];

post("$url/register", 'multipart/form-data; boundary=b', multipart($database, $archive));
// PHP's empty array is [], whether it was meant as a list or by name.
call($url, $database + ['function' => 'todo_count', 'params' => []]);
call($url, $database + ['function' => 'ensure_user', 'params' => ['p_email' => 'émile@example.com', 'p_display_name' => 'Émile / É']]);
// What json_encode made once is a string for a jsonb parameter.
call($url, $database + ['function' => 'import_todos', 'params' => [1, json_encode([['title' => 'Ünïcode', 'priority' => 2]])]]);
call($url, $database + ['function' => 'list_todos', 'params' => ['p_owner_id' => 1]]);
call($url, $database + ['function' => 'get_todo', 'params' => [4711]]);
