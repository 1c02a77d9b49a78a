#ifndef CPGQUERY_H
#define CPGQUERY_H
#include "postgres.h"
#include "nodes/parsenodes.h"
#endif
