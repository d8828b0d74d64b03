<?php
// Publish an event, wait for what becomes of it, check a webhook. PHP 8.1 or later, no library.
//
//   LEASEWIRE_URL=http://127.0.0.1:8080 LEASEWIRE_KEY=lw_... php client.php publish < event.json
//   WEBHOOK_SECRET=whsec_... php client.php verify ID TIMESTAMP SIGNATURE < body
declare(strict_types=1);

const FINAL_STATES = ['applied', 'observed', 'superseded', 'duplicate', 'rejected', 'failed', 'expired'];

/** Sends the same again, with the same event id, when told to come later. */
function ask(string $method, string $path, ?string $body = null, int $waitS = 0): array
{
    for ($i = 0; $i < 10; $i++) {
        $headers = [
            'Authorization: Bearer ' . getenv('LEASEWIRE_KEY'),
            'Content-Type: application/cloudevents+json',
        ];
        if ($waitS > 0) {
            $headers[] = "Prefer: wait=$waitS";
        }
        $http = ['method' => $method, 'header' => $headers, 'ignore_errors' => true, 'timeout' => 60];
        if ($body !== null) {
            $http['content'] = $body;
        }
        $context = stream_context_create(['http' => $http]);
        $answer = file_get_contents(getenv('LEASEWIRE_URL') . $path, false, $context);
        if ($answer === false) {
            throw new RuntimeException('the gateway cannot be reached: send the same event again');
        }
        $status = (int) explode(' ', $http_response_header[0])[1];
        if ($status < 300) {
            return json_decode($answer, true, 512, JSON_THROW_ON_ERROR);
        }
        if ($status !== 429 && $status !== 503) {
            throw new RuntimeException($answer); // a problem document
        }
        $restS = 5;
        foreach ($http_response_header as $line) {
            if (stripos($line, 'retry-after:') === 0) {
                $restS = (int) substr($line, 12);
            }
        }
        sleep($restS);
    }
    throw new RuntimeException('the gateway is busy: send the same event again later');
}

/** Returns the event's state, final if it is known in time. `$event`: its JSON. */
function publish(string $event, int $withinS = 60): string
{
    $receipt = ask('POST', '/v1/events', $event, 5)['receipts'][0];
    $state = $receipt['status'];
    $until = time() + $withinS;
    while (!in_array($state, FINAL_STATES, true) && time() < $until) {
        usleep(500_000);
        $state = ask('GET', $receipt['status_url'])['state'];
    }
    return $state;
}

/** Whether a webhook is ours and of now. `$body`: raw, as `php://input` gives it. */
function verify(string $secret, string $id, string $timestamp, string $signature, string $body): bool
{
    if (!preg_match('/^\d{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $signature) as $given) {
        if (hash_equals($wanted, $given)) {
            return true;
        }
    }
    return false;
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    $input = stream_get_contents(STDIN);
    if ($argv[1] === 'publish') {
        try {
            echo publish($input), "\n";
        } catch (RuntimeException $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
            exit(1);
        }
    } elseif (!verify(getenv('WEBHOOK_SECRET'), $argv[2], $argv[3], $argv[4], $input)) {
        fwrite(STDERR, "the signature does not fit\n");
        exit(1);
    }
}
