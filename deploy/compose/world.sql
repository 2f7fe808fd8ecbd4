-- SPDX-License-Identifier: MIT
-- Written by scripts/db sql.
BEGIN;
DROP TABLE IF EXISTS world, fortune;
CREATE TABLE world (id integer PRIMARY KEY, randomnumber integer NOT NULL);
INSERT INTO world
    SELECT id, 1 + floor(random() * 10000)::integer FROM generate_series(1, 10000) id;
CREATE TABLE fortune (id integer PRIMARY KEY, message text NOT NULL);
INSERT INTO fortune VALUES
    (1, 'You will find the bug in the line you did not read.'),
    (2, 'A cache is a promise to be wrong later.'),
    (3, 'The second thread to arrive is the one that pays.'),
    (4, 'Measure twice, optimise once, measure again.'),
    (5, 'Whoever says it cannot happen has not run it for long enough.'),
    (6, 'All queues are empty or full; the rest is transit.'),
    (7, 'A timeout is an opinion about somebody else''s work.'),
    (8, 'Naming is half of the design & the other half is renaming.'),
    (9, 'What you log at night you read in the morning.'),
    (10, 'Two clocks never agree; three clocks vote.'),
    (11, '<script>alert(''A browser that shows this box was sent an unescaped page.'');</script>'),
    (12, 'フレームワークのベンチマーク');
COMMIT;
ANALYZE world;
ANALYZE fortune;
