//! PostgreSQL's words for what runs, manifests and verification read.

use crate::store::sql::reading::ReadText;

/// A piece of what lives in a folder, by its flags: how many have them, the last of them, and each.
macro_rules! living {
    ($of: literal) => {
        concat!(
            "SELECT flags, keywords, count(*) AS count, max(uid) AS last, string_agg(uid::text, ',' ORDER BY uid) AS \
             uids FROM (SELECT l.uid, l.flags, l.keywords FROM ",
            $of,
            " AND l.ended_at IS NULL ORDER BY l.uid LIMIT $3) AS piece GROUP BY flags, keywords \
             UNION ALL SELECT '', '', 0, 0, COALESCE((SELECT string_agg(uid::text, ',') FROM failure WHERE folder = $1 AND \
             uid IS NOT NULL AND closed_at IS NULL), '')"
        )
    };
}

/// A piece of a folder's manifest; which part of it follows.
macro_rules! manifest {
    () => {
        "SELECT l.uidvalidity, l.uid, l.flags, l.keywords, m.size, m.announced, m.synthetic, b.hash, b.pack, b.\"offset\", \
             b.length, b.stored FROM location l CROSS JOIN LATERAL (SELECT * FROM message WHERE id = l.message OFFSET 0) m \
             LEFT JOIN body b ON b.id = m.body WHERE l.folder = $1 AND (l.uidvalidity, l.uid) > ($2, $3) AND "
    };
}

pub(in crate::store::sql) const fn words(text: ReadText) -> &'static str {
    match text {
        ReadText::Accounts => "SELECT id, name, state AS standing FROM account ORDER BY name",
        ReadText::ManifestFolders => {
            "SELECT id, path, delimiter FROM folder WHERE account = $1 AND deleted_at IS NULL AND excluded = FALSE \
             ORDER BY path, id"
        }
        ReadText::AllManifestFolders => {
            "SELECT id, path, delimiter FROM folder WHERE account = $1 ORDER BY path, id"
        }
        ReadText::Manifest => concat!(
            manifest!(),
            "l.ended_at IS NULL AND l.uidvalidity = (SELECT uidvalidity FROM folder WHERE id = l.folder) ",
            "ORDER BY l.folder, l.uidvalidity, l.uid LIMIT $4"
        ),
        ReadText::DeletedManifest => concat!(
            manifest!(),
            "m.deleted_at IS NOT NULL AND l.folder = m.last_folder AND l.ended_at = (SELECT MAX(x.ended_at) FROM \
             location x WHERE x.message = m.id) ",
            "ORDER BY l.folder, l.uidvalidity, l.uid LIMIT $4"
        ),
        ReadText::EstimatesSizes => "SELECT sizes_estimated FROM account WHERE id = $1",
        ReadText::Living => living!(
            "folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = f.uidvalidity WHERE f.id = $1 AND l.uid \
             > $2"
        ),
        ReadText::LivingAmong => living!(
            "jsonb_array_elements($4::jsonb) j (value) CROSS JOIN folder f CROSS JOIN LATERAL (SELECT * FROM location WHERE folder = f.id AND uidvalidity = f.uidvalidity AND uid BETWEEN GREATEST((j.value->>0)::bigint, $2 + 1) AND (j.value->>1)::bigint OFFSET 0) l WHERE f.id = $1"
        ),
        ReadText::SampleOfPart => {
            "SELECT l.uid, COALESCE(m.announced, m.size) AS size, l.internal_date, CASE WHEN m.thread IS NULL THEN m.id END AS threadless FROM folder f JOIN location l ON \
             l.folder = f.id AND l.uidvalidity = f.uidvalidity JOIN message m ON m.id = l.message WHERE f.id = $1 \
             AND l.uid BETWEEN $2 AND $3 AND l.ended_at IS NULL"
        }
        ReadText::Sample => {
            "WITH living AS (SELECT l.uid, l.message, l.internal_date, row_number() OVER (ORDER BY l.uid) AS n, \
             count(*) OVER () AS total FROM folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = \
             f.uidvalidity WHERE f.id = $1 AND l.ended_at IS NULL) SELECT living.uid, COALESCE(m.announced, m.size) \
             AS size, living.internal_date, NULL::bigint AS threadless FROM living CROSS JOIN LATERAL (SELECT announced, size FROM message WHERE id = living.message OFFSET 0) m WHERE (n - 1) % GREATEST(total / $2, 1) = 0 ORDER BY n LIMIT $2"
        }
        ReadText::LimboCount => {
            "SELECT count(*) AS count FROM message WHERE account = $1 AND limbo_since IS NOT NULL"
        }
    }
}
