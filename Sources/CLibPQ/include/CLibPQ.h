// libpq (package libpq-dev), for the connections that Holdfast opens for itself; never on the data path.
#pragma once
#include "postgresql/libpq-fe.h"
