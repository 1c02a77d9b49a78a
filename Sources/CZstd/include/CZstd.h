// zstd (package libzstd-dev): closed files of the audit trail are compressed with it.
#pragma once
#include <zstd.h>
