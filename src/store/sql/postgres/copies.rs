//! PostgreSQL's words for copies.

use crate::store::sql::copies::CopyText;

pub(in crate::store::sql) const fn words(text: CopyText) -> &'static str {
    match text {
        CopyText::WeightOf => {
            "SELECT COALESCE(sum(COALESCE(stored, length)), 0)::bigint AS named, (SELECT count(*) FROM body WHERE pack = $1 AND length = 0 \
             AND hash <> decode('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex')) AS lost FROM body WHERE pack = $1 AND length > 0"
        }
        CopyText::CompressedPacks => "SELECT id FROM pack WHERE compressed_at IS NOT NULL",
        CopyText::PlaceOf => {
            "SELECT id, hash, pack, \"offset\", length, stored FROM body WHERE hash = $1"
        }
        CopyText::PutCopied => {
            "INSERT INTO pack (id, octets, named, scrubbed_at, compressed_at) SELECT (j.value->>0)::bigint, (j.value->>1)::bigint, (j.value->>2)::bigint, $2, (j.value->>3)::bigint FROM jsonb_array_elements($1::jsonb) j (value) ON CONFLICT (id) DO \
             UPDATE SET octets = GREATEST(pack.octets, excluded.octets), named = excluded.named, compressed_at = excluded.compressed_at"
        }
        CopyText::MoveBodies => {
            "UPDATE body SET pack = (j.value->>4)::bigint, \"offset\" = (j.value->>5)::bigint, stored = (j.value->>6)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE body.id = (j.value->>0)::bigint AND body.pack = (j.value->>1)::bigint AND \
             body.\"offset\" = (j.value->>2)::bigint AND body.length = (j.value->>3)::bigint"
        }
    }
}
