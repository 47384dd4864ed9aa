<?php
/**
 * A client of StoneScriptDB Gateway in one file: PHP 8.1 or later, nothing to install (zlib for packing a folder).
 *
 *     $db = new StoneScriptDB('http://127.0.0.1:9000', 'shop');
 *     $rows = $db->call('find_products', [5]);                  // by position
 *     $row = $db->one('get_product', ['p_id' => 1]);            // by name
 *     $db->forTenant('org-1')->value('product_count');
 *
 * Connections are kept: within a request, and with PHP-FPM between requests of a worker.
 */

declare(strict_types=1);

/** The gateway refused, or could not be asked. */
final class StoneScriptDBException extends RuntimeException
{
    /**
     * @param int    $status HTTP's; 0: there was no answer
     * @param string $error  the code in the field `error`, such as `query_failed`
     * @param array  $body   the whole answer: `sqlstate`, `cause`, `detail`, `hint`, `file`, `line`, … where there are any
     * @param bool   $mayHaveRun whether the request may have been carried out all the same
     */
    public function __construct(
        string $message,
        public readonly int $status = 0,
        public readonly string $error = 'connection_failed',
        public readonly array $body = [],
        public readonly bool $mayHaveRun = false,
    ) {
        parent::__construct($message, $status);
    }

    public function sqlstate(): ?string
    {
        return $this->body['sqlstate'] ?? null;
    }
}

final class StoneScriptDB
{
    private string $host;
    private int $port;
    private string $authority;

    /**
     * @param string      $url     where the gateway is
     * @param string      $platform
     * @param string|null $tenant  none: the main database
     * @param float       $timeout seconds that an answer may take
     * @param string|null $token   the admin token, where the gateway asks for it
     * @param int         $retries how often a request is sent again that was not begun (503 with Retry-After)
     */
    public function __construct(
        string $url,
        private readonly string $platform,
        private readonly ?string $tenant = null,
        private readonly float $timeout = 40.0,
        private readonly ?string $token = null,
        private readonly int $retries = 3,
    ) {
        $parts = parse_url($url);
        if (($parts['scheme'] ?? '') !== 'http' || !isset($parts['host'])) {
            throw new InvalidArgumentException("$url: expected http://host:port");
        }
        $this->host = $parts['host'];
        $this->port = $parts['port'] ?? 80;
        $this->authority = "$this->host:$this->port";
    }

    /** The same client for a tenant's database; null: the main one. */
    public function forTenant(?string $tenant): self
    {
        $url = "http://$this->authority";
        return new self($url, $this->platform, $tenant, $this->timeout, $this->token, $this->retries);
    }

    /** @return list<array<string, mixed>> the rows of a function; `$params` by position or by name */
    public function call(string $function, array $params = []): array
    {
        $fields = ['platform' => $this->platform, 'tenant_id' => $this->tenant, 'function' => $function, 'params' => $params];
        return $this->post('/call', $fields)['rows'];
    }

    /** The only row, or null where there is none. */
    public function one(string $function, array $params = []): ?array
    {
        return $this->call($function, $params)[0] ?? null;
    }

    /** The first column of the only row. */
    public function value(string $function, array $params = []): mixed
    {
        $row = $this->one($function, $params) ?? [];
        return reset($row) === false && $row === [] ? null : reset($row);
    }

    /** Makes the database from a postgresql/ folder, or brings it up to date. Sending the same again changes nothing. */
    public function register(string $folder, bool $force = false): array
    {
        return $this->upload('/register', ['platform' => $this->platform, 'tenant_id' => $this->tenant, 'force' => $force], $folder);
    }

    /** Brings the tenant's database, or all of the platform's where no tenant is set, to a folder. */
    public function migrate(string $folder, bool $force = false, bool $dryRun = false): array
    {
        $fields = ['platform' => $this->platform, 'tenant_id' => $this->tenant, 'force' => $force, 'dry_run' => $dryRun];
        return $this->upload('/migrate', $fields, $folder);
    }

    /** Waits until the gateway and PostgreSQL are there; false: not within `$seconds`. */
    public function waitUntilReady(float $seconds = 60.0): bool
    {
        for ($end = microtime(true) + $seconds; microtime(true) < $end; usleep(500_000)) {
            try {
                $this->get('/health');
                return true;
            } catch (StoneScriptDBException) {
                // Not yet.
            }
        }
        return false;
    }

    /** Any path of the API that is asked with GET. */
    public function get(string $path): array
    {
        return $this->send('GET', $path, '', '', $this->timeout);
    }

    /** Any path of the API that takes JSON. */
    public function post(string $path, array $fields): array
    {
        $json = json_encode($fields, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE);
        return $this->send('POST', $path, 'application/json', $json, $this->timeout);
    }

    /** Any path of the API that takes a folder; `$seconds`: how long that may take. */
    public function upload(string $path, array $fields, string $folder, float $seconds = 3700.0): array
    {
        $boundary = bin2hex(random_bytes(16));
        $body = '';
        foreach ($fields as $name => $value) {
            if ($value !== null) {
                $text = is_bool($value) ? ($value ? 'true' : 'false') : (string) $value;
                $body .= "--$boundary\r\nContent-Disposition: form-data; name=\"$name\"\r\n\r\n$text\r\n";
            }
        }
        $body .= "--$boundary\r\nContent-Disposition: form-data; name=\"schema\"; filename=\"schema.tar.gz\"\r\n"
            . "Content-Type: application/gzip\r\n\r\n" . self::pack($folder) . "\r\n--$boundary--\r\n";
        return $this->send('POST', $path, "multipart/form-data; boundary=$boundary", $body, $seconds);
    }

    /** A folder as tar.gz. */
    public static function pack(string $folder): string
    {
        if (!is_dir($folder)) {
            throw new InvalidArgumentException("$folder is no folder");
        }
        $folder = rtrim($folder, '/');
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS));
        $paths = [];
        foreach ($files as $file) {
            $paths[] = $file->getPathname();
        }
        sort($paths);
        $tar = '';
        foreach ($paths as $path) {
            $name = substr($path, strlen($folder) + 1);
            $text = file_get_contents($path);
            if ($text === false) {
                throw new RuntimeException("$path cannot be read");
            }
            // A name that the old header has no room for is told by an extended one (POSIX.1-2001, pax).
            if (strlen($name) > 100) {
                $record = " path=$name\n";
                $length = strlen($record);
                while (strlen((string) $length) + strlen($record) !== $length) {
                    $length = strlen((string) $length) + strlen($record);
                }
                $tar .= self::entry('pax', 'x', $length . $record);
            }
            $tar .= self::entry(substr($name, 0, 100), '0', $text);
        }
        return gzencode($tar . str_repeat("\0", 1024), 6);
    }

    private static function entry(string $name, string $type, string $data): string
    {
        $size = strlen($data);
        $head = pack('a100a8a8a8a12a12a8a1a100a6a2a32a32a8a8a155a12', $name, "0000644\0", "0000000\0", "0000000\0",
            sprintf("%011o\0", $size), "00000000000\0", '        ', $type, '', "ustar\0", '00', '', '', '', '', '', '');
        $head = substr_replace($head, sprintf("%06o\0 ", array_sum(unpack('C*', $head))), 148, 8);
        return $head . $data . str_repeat("\0", (512 - $size % 512) % 512);
    }

    private function send(string $method, string $path, string $type, string $body, float $seconds): array
    {
        for ($try = 0;; $try++) {
            [$status, $headers, $answer] = $this->exchange($method, $path, $type, $body, $seconds);
            $json = json_decode($answer, true, 512, JSON_BIGINT_AS_STRING);
            if ($status < 400 && is_array($json)) {
                return $json;
            }
            // The gateway says so only where nothing was done.
            if ($status === 503 && isset($headers['retry-after']) && $try < $this->retries) {
                usleep((int) (1e6 * max(0.1, (float) $headers['retry-after'])));
                continue;
            }
            $json = is_array($json) ? $json : [];
            $message = $json['message'] ?? "the gateway answered with status $status and no JSON";
            throw new StoneScriptDBException($message, $status, $json['error'] ?? 'no_json', $json);
        }
    }

    /** @return array{int, array<string, string>, string} status, headers, body */
    private function exchange(string $method, string $path, string $type, string $body, float $seconds): array
    {
        $head = "$method $path HTTP/1.1\r\nHost: $this->authority\r\nAccept: application/json\r\n";
        $head .= $type === '' ? '' : "Content-Type: $type\r\nContent-Length: " . strlen($body) . "\r\n";
        $head .= $this->token === null ? '' : "Authorization: Bearer $this->token\r\n";
        $stream = $this->connect();
        stream_set_timeout($stream, (int) $seconds, (int) (1e6 * ($seconds - (int) $seconds)));
        for ($rest = "$head\r\n$body"; $rest !== ''; $rest = substr($rest, $written)) {
            $written = @fwrite($stream, $rest);
            if ($written === false || $written === 0) {
                $this->broken($stream, 'the connection broke while the request was sent');
            }
        }
        return $this->read($stream);
    }

    /** @return resource */
    private function connect()
    {
        $flags = STREAM_CLIENT_CONNECT | STREAM_CLIENT_PERSISTENT;
        for ($try = 0; $try < 2; $try++) {
            $stream = @stream_socket_client("tcp://$this->authority", $code, $why, 5.0, $flags);
            if ($stream === false) {
                throw new StoneScriptDBException("no connection to the gateway at $this->authority: $why");
            }
            // One of before that the gateway has closed meanwhile is readable, and at its end.
            [$readable, $none, $nothing] = [[$stream], null, null];
            if (stream_select($readable, $none, $nothing, 0) === 0) {
                return $stream;
            }
            fclose($stream);
        }
        throw new StoneScriptDBException("the gateway at $this->authority closes connections at once");
    }

    /**
     * @param resource $stream
     * @return array{int, array<string, string>, string}
     */
    private function read($stream): array
    {
        $line = fgets($stream);
        if ($line === false || !preg_match('~^HTTP/1\.[01] (\d{3})~', $line, $found)) {
            $this->broken($stream, 'the connection broke before the answer came');
        }
        $headers = [];
        while (($line = fgets($stream)) !== false && ($line = rtrim($line)) !== '') {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $headers[strtolower($name)] = trim($value);
        }
        if (strtolower($headers['transfer-encoding'] ?? '') === 'chunked') {
            $body = '';
            while (($size = hexdec(trim((string) fgets($stream)))) > 0) {
                $body .= $this->bytes($stream, (int) $size);
                fgets($stream);
            }
            fgets($stream);
        } else {
            $body = $this->bytes($stream, (int) ($headers['content-length'] ?? 0));
        }
        if (strtolower($headers['connection'] ?? '') === 'close') {
            fclose($stream);
        }
        return [(int) $found[1], $headers, $body];
    }

    /** @param resource $stream */
    private function bytes($stream, int $length): string
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $more = fread($stream, $length - strlen($bytes));
            if ($more === false || $more === '') {
                $this->broken($stream, 'the connection broke within the answer');
            }
            $bytes .= $more;
        }
        return $bytes;
    }

    /** @param resource $stream */
    private function broken($stream, string $what): never
    {
        $late = stream_get_meta_data($stream)['timed_out'] ?? false;
        fclose($stream);
        $what = $late ? 'the answer took too long' : $what;
        throw new StoneScriptDBException("$what; the request may have been carried out", mayHaveRun: true);
    }
}
