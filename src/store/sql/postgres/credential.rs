//! PostgreSQL's words for what is renewed, and what was spent.

use crate::store::sql::credential::CredentialText;

pub(in crate::store::sql) const fn words(text: CredentialText) -> &'static str {
    match text {
        CredentialText::NextCredential => {
            "INSERT INTO credential (account, version, issuer, username, sealed, key_print, scopes, granted_at, \
             renewed_at, expires_at) SELECT $1, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE $2 = 0 OR EXISTS (SELECT \
             1 FROM credential WHERE account = $1 AND version = $2) ON CONFLICT (account) DO UPDATE SET before = \
             credential.sealed, version = excluded.version, issuer = excluded.issuer, username = excluded.username, \
             sealed = excluded.sealed, key_print = excluded.key_print, scopes = excluded.scopes, granted_at = \
             excluded.granted_at, renewed_at = excluded.renewed_at, expires_at = excluded.expires_at, error = NULL, \
             failed_at = NULL WHERE credential.version = $2"
        }
        CredentialText::NotRenewed => {
            "UPDATE credential SET error = $3, failed_at = $4 WHERE account = $1 AND version = $2"
        }
        CredentialText::Reseal => {
            "UPDATE credential SET before = NULL, version = $3, sealed = $4, key_print = $5 WHERE account = $1 AND \
             version = $2"
        }
        CredentialText::RenameCredential => {
            "UPDATE credential SET account = $2 WHERE account = $1 AND NOT EXISTS (SELECT 1 FROM credential WHERE \
             account = $2)"
        }
        CredentialText::Credentials => {
            "SELECT account, issuer, username, version, sealed, key_print, scopes, granted_at, renewed_at, \
             expires_at, error, failed_at FROM credential WHERE $1::text IS NULL OR account = $1 ORDER BY account"
        }
        CredentialText::PutSpent => {
            "INSERT INTO spending (endpoint, account, hour, units) SELECT $1, j.value->>0, (j.value->>1)::bigint, \
             (j.value->>2)::bigint FROM jsonb_array_elements($2::jsonb) j (value) WHERE TRUE ON CONFLICT (endpoint, \
             account, hour) DO UPDATE SET units = GREATEST(spending.units, excluded.units)"
        }
        // Hours ahead are those of a clock that was; whoever has spent since has counted them anew.
        CredentialText::ForgetSpent => {
            "DELETE FROM spending WHERE endpoint = $1 AND (hour < $2 OR (hour > $3 AND account IN (SELECT \
             j.value->>0 FROM jsonb_array_elements($4::jsonb) j (value))))"
        }
        CredentialText::Spent => {
            "SELECT hour, units FROM spending WHERE endpoint = $1 AND account = $2"
        }
    }
}
