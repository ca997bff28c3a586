<?php
// The people who can sign in, with their passwords: people.json of this run, as
// {"user:password": {"attribute": ["value"]}}.
$config = [
    'people' => ['exampleauth:UserPass'] + json_decode(file_get_contents(getenv('PEER_DIR') . '/people.json'), true),
];
