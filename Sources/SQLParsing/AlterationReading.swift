internal import CPgQuery

/// DROP, TRUNCATE, ALTER, SET, COPY, EXPLAIN, GRANT and COMMENT.
extension StatementReader {
    /// ALTER of every other kind, GRANT and COMMENT: nothing is taken away.
    mutating func decideAlteration(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_AlterDomainStmt:
            let alter = node.node(AlterDomainStmt.self).pointee
            name("ALTER DOMAIN")
            // 'X' is DROP CONSTRAINT.
            let isDrop = alter.subtype == CChar(UInt8(ascii: "X"))
            add(isDrop ? .dropConstraint : .alter, TreeName.object(.domain, list: alter.typeName))
            worklist.add(alter.def)
        case T_AlterSystemStmt:
            name("ALTER SYSTEM")
            draft.mustRunAlone = true
            decideStoredSetting(node.node(AlterSystemStmt.self).pointee.setstmt, of: nil)
        case T_AlterRoleSetStmt:
            name("ALTER ROLE")
            let alter = node.node(AlterRoleSetStmt.self).pointee
            decideStoredSetting(alter.setstmt, of: TreeName.role(alter.role))
        case T_AlterDatabaseSetStmt:
            name("ALTER DATABASE")
            let alter = node.node(AlterDatabaseSetStmt.self).pointee
            decideStoredSetting(alter.setstmt, of: ObjectName(.database, name: TreeName.text(alter.dbname)))
        case T_AlterFdwStmt:
            name("ALTER FOREIGN DATA WRAPPER")
            let wrapper = node.node(AlterFdwStmt.self).pointee.fdwname
            add(.foreignServer, ObjectName(.foreignDataWrapper, name: TreeName.text(wrapper)))
        case T_AlterForeignServerStmt:
            name("ALTER SERVER")
            let server = node.node(AlterForeignServerStmt.self).pointee
            add(
                .foreignServer, ObjectName(.server, name: TreeName.text(server.servername)),
                in: ConnectionText.place(inOptions: server.options, ofWrapper: "", isWhole: false))
        case T_AlterUserMappingStmt:
            name("ALTER USER MAPPING")
            let mapping = node.node(AlterUserMappingStmt.self).pointee.servername
            add(.foreignServer, ObjectName(.userMapping, name: TreeName.text(mapping)))
        case T_AlterSubscriptionStmt:
            name("ALTER SUBSCRIPTION")
            let subscription = node.node(AlterSubscriptionStmt.self).pointee
            add(
                .subscription, ObjectName(.subscription, name: TreeName.text(subscription.subname)),
                in: subscription.conninfo == nil
                    ? .here : ConnectionText.place(in: TreeName.text(subscription.conninfo)))
        case T_AlterDatabaseStmt:
            name("ALTER DATABASE")
            let alter = node.node(AlterDatabaseStmt.self).pointee
            let database = ObjectName(.database, name: TreeName.text(alter.dbname))
            for option in TreeList(alter.options) {
                noteUnknownName(TreeName.text(option.node(DefElem.self).pointee.defname))
            }
            add(OptionValue.closesDatabase(alter.options) ? .closeDatabase : .alter, database)
        case T_GrantStmt: decideGrant(node.node(GrantStmt.self))
        case T_GrantRoleStmt:
            let grant = node.node(GrantRoleStmt.self).pointee
            name(grant.is_grant ? "GRANT ROLE" : "REVOKE ROLE")
            for role in TreeList(grant.grantee_roles) {
                add(.grant, TreeName.role(UnsafeMutablePointer(mutating: role.node(RoleSpec.self))))
            }
        case T_AlterDefaultPrivilegesStmt:
            name("ALTER DEFAULT PRIVILEGES")
            add(.grant)
        case T_CommentStmt:
            let comment = node.node(CommentStmt.self).pointee
            name("COMMENT")
            add(.comment, object(ObjectKind(comment.objtype), comment.object))
        case T_SecLabelStmt:
            let label = node.node(SecLabelStmt.self).pointee
            name("SECURITY LABEL")
            add(.comment, object(ObjectKind(label.objtype), label.object))
        default:
            guard let (command, object) = Self.plainAlteration(node) else { return false }
            name(command)
            add(.alter, object)
        }
        return true
    }

    static func plainAlteration(_ node: TreeNode) -> (command: Swift.String, object: ObjectName)? {
        switch node.tag {
        case T_AlterSeqStmt:
            return ("ALTER SEQUENCE", TreeName.object(.sequence, node.node(AlterSeqStmt.self).pointee.sequence))
        case T_AlterEnumStmt:
            return ("ALTER TYPE", TreeName.object(.type, list: node.node(AlterEnumStmt.self).pointee.typeName))
        case T_AlterTypeStmt:
            return ("ALTER TYPE", TreeName.object(.type, list: node.node(AlterTypeStmt.self).pointee.typeName))
        case T_AlterFunctionStmt:
            let alter = node.node(AlterFunctionStmt.self).pointee
            let kind = ObjectKind(alter.objtype)
            return ("ALTER " + kind.commandWord, TreeName.object(kind, list: alter.func?.pointee.objname))
        case T_AlterRoleStmt: return ("ALTER ROLE", TreeName.role(node.node(AlterRoleStmt.self).pointee.role))
        case T_AlterDatabaseRefreshCollStmt:
            let database = node.node(AlterDatabaseRefreshCollStmt.self).pointee.dbname
            return ("ALTER DATABASE", ObjectName(.database, name: TreeName.text(database)))
        case T_AlterCollationStmt:
            return (
                "ALTER COLLATION",
                TreeName.object(.collation, list: node.node(AlterCollationStmt.self).pointee.collname)
            )
        case T_AlterExtensionStmt:
            let name = node.node(AlterExtensionStmt.self).pointee.extname
            return ("ALTER EXTENSION", ObjectName(.extension, name: TreeName.text(name)))
        case T_AlterExtensionContentsStmt:
            let name = node.node(AlterExtensionContentsStmt.self).pointee.extname
            return ("ALTER EXTENSION", ObjectName(.extension, name: TreeName.text(name)))
        case T_AlterObjectDependsStmt:
            let alter = node.node(AlterObjectDependsStmt.self).pointee
            let kind = ObjectKind(alter.objectType)
            let object = alter.relation.map { TreeName.object(kind, $0) }
            return (
                "ALTER " + kind.commandWord, object ?? TreeName.object(kind, node: alter.object.map { TreeNode($0) })
            )
        case T_AlterEventTrigStmt:
            let trigger = node.node(AlterEventTrigStmt.self).pointee.trigname
            return ("ALTER EVENT TRIGGER", ObjectName(.eventTrigger, name: TreeName.text(trigger)))
        case T_AlterPolicyStmt:
            let policy = node.node(AlterPolicyStmt.self).pointee
            var object = TreeName.object(.policy, policy.table)
            object.part = TreeName.text(policy.policy_name)
            return ("ALTER POLICY", object)
        case T_AlterPublicationStmt:
            let publication = node.node(AlterPublicationStmt.self).pointee.pubname
            return ("ALTER PUBLICATION", ObjectName(.publication, name: TreeName.text(publication)))
        case T_AlterStatsStmt:
            return (
                "ALTER STATISTICS", TreeName.object(.statistics, list: node.node(AlterStatsStmt.self).pointee.defnames)
            )
        case T_AlterOperatorStmt:
            let name = node.node(AlterOperatorStmt.self).pointee.opername
            return ("ALTER OPERATOR", TreeName.object(.operator, list: name?.pointee.objname))
        case T_AlterOpFamilyStmt:
            let name = node.node(AlterOpFamilyStmt.self).pointee.opfamilyname
            return ("ALTER OPERATOR FAMILY", TreeName.object(.operatorFamily, list: name))
        case T_AlterTSDictionaryStmt:
            let name = node.node(AlterTSDictionaryStmt.self).pointee.dictname
            return ("ALTER TEXT SEARCH DICTIONARY", TreeName.object(.textSearch, list: name))
        case T_AlterTSConfigurationStmt:
            let name = node.node(AlterTSConfigurationStmt.self).pointee.cfgname
            return ("ALTER TEXT SEARCH CONFIGURATION", TreeName.object(.textSearch, list: name))
        case T_AlterTableSpaceOptionsStmt:
            let space = node.node(AlterTableSpaceOptionsStmt.self).pointee.tablespacename
            return ("ALTER TABLESPACE", ObjectName(.tablespace, name: TreeName.text(space)))
        case T_AlterTableMoveAllStmt:
            let space = node.node(AlterTableMoveAllStmt.self).pointee.orig_tablespacename
            return ("ALTER TABLE", ObjectName(.tablespace, name: TreeName.text(space)))
        default: return nil
        }
    }

    // MARK: - Details

    func object(_ kind: ObjectKind, _ node: UnsafeMutablePointer<Node>?) -> ObjectName {
        TreeName.object(kind, node: node.map { TreeNode($0) })
    }

    mutating func noteCondition(_ isConditional: Bool) {
        if isConditional { draft.isConditional = true }
    }

    mutating func decideDrop(_ drop: UnsafePointer<DropStmt>) {
        let kind = ObjectKind(drop.pointee.removeType)
        name("DROP " + kind.commandWord)
        noteCondition(drop.pointee.missing_ok)
        if drop.pointee.concurrent { draft.mustRunAlone = true }
        let decision = DropDecision(drop.pointee.removeType)
        var isAllTemporary = true
        for item in TreeList(drop.pointee.objects) {
            let object = TreeName.object(kind, node: item)
            isAllTemporary = isAllTemporary && object.isTemporaryByName
            lose(decision.statementClass, object)
        }
        if drop.pointee.behavior == DROP_CASCADE, !isAllTemporary, let cascade = decision.cascade { add(cascade) }
    }

    mutating func decideTruncate(_ truncate: UnsafePointer<TruncateStmt>) {
        name("TRUNCATE TABLE")
        var isAllTemporary = true
        for item in TreeList(truncate.pointee.relations) {
            let object = TreeName.object(.table, node: item)
            if object.isTemporaryByName { continue }
            isAllTemporary = false
            add(.truncate, object)
            if SystemCatalogs.contains(object) { add(.catalogWrite, object) }
        }
        // The tables that refer to these, unnamed.
        if truncate.pointee.behavior == DROP_CASCADE, !isAllTemporary { add(.truncate) }
    }

    mutating func decideRename(_ rename: UnsafePointer<RenameStmt>) {
        let kind = ObjectKind(rename.pointee.renameType)
        let relationKind = rename.pointee.relation == nil ? kind : ObjectKind(rename.pointee.relationType)
        let isPart = kind == .column || kind == .constraint
        name("ALTER " + (isPart ? relationKind : kind).commandWord)
        noteCondition(rename.pointee.missing_ok)
        var object: ObjectName
        if let relation = rename.pointee.relation {
            object = TreeName.object(kind, relation)
            if [.column, .constraint, .trigger, .rule, .policy].contains(kind) {
                object.part = rename.pointee.subname.map { Swift.String(cString: $0) }
            }
        } else if rename.pointee.object != nil {
            object = self.object(kind, rename.pointee.object)
        } else {
            object = ObjectName(kind, name: TreeName.text(rename.pointee.subname))
        }
        switch rename.pointee.renameType {
        case OBJECT_TABLE, OBJECT_VIEW, OBJECT_MATVIEW, OBJECT_FOREIGN_TABLE, OBJECT_SEQUENCE, OBJECT_SCHEMA,
            OBJECT_DATABASE:
            add(object.isTemporaryByName ? .alter : .rename, object)
        // ALTER INDEX … RENAME also renames tables (RenameRelation in tablecmds.c), and only the server knows which it is.
        case OBJECT_INDEX: add(object.isTemporaryByName ? .alter : .rename, object)
        case OBJECT_FUNCTION, OBJECT_ROUTINE, OBJECT_PROCEDURE:
            add(.alter, object)
            // Under another name nobody would know it.
            if let node = rename.pointee.object, TreeNode(node).tag == T_ObjectWithArgs {
                noteNamedFunction(TreeNode(node).node(ObjectWithArgs.self).pointee.objname)
            }
        default: add(.alter, object)
        }
    }

    mutating func decideSchemaMove(_ move: UnsafePointer<AlterObjectSchemaStmt>) {
        let kind = ObjectKind(move.pointee.objectType)
        name("ALTER " + kind.commandWord)
        noteCondition(move.pointee.missing_ok)
        let object = move.pointee.relation.map { TreeName.object(kind, $0) } ?? self.object(kind, move.pointee.object)
        switch move.pointee.objectType {
        case OBJECT_TABLE, OBJECT_VIEW, OBJECT_MATVIEW, OBJECT_FOREIGN_TABLE, OBJECT_SEQUENCE, OBJECT_EXTENSION:
            add(.moveSchema, object)
        default: add(.alter, object)
        }
    }

    mutating func decideTransaction(_ statement: UnsafePointer<TransactionStmt>) {
        let savepoint = TreeName.text(statement.pointee.savepoint_name)
        let gid = TreeName.text(statement.pointee.gid)
        switch statement.pointee.kind {
        case TRANS_STMT_BEGIN, TRANS_STMT_START:
            name(statement.pointee.kind == TRANS_STMT_BEGIN ? "BEGIN" : "START TRANSACTION")
            draft.transaction = .begin
        case TRANS_STMT_COMMIT:
            name("COMMIT")
            draft.transaction = .commit(chain: statement.pointee.chain)
        case TRANS_STMT_ROLLBACK:
            name("ROLLBACK")
            draft.transaction = .rollback(chain: statement.pointee.chain)
        case TRANS_STMT_SAVEPOINT:
            name("SAVEPOINT")
            draft.transaction = .savepoint(savepoint)
        case TRANS_STMT_RELEASE:
            name("RELEASE")
            draft.transaction = .release(savepoint)
        case TRANS_STMT_ROLLBACK_TO:
            name("ROLLBACK")
            draft.transaction = .rollbackTo(savepoint)
        case TRANS_STMT_PREPARE:
            name("PREPARE TRANSACTION")
            draft.transaction = .prepareTransaction(gid)
        case TRANS_STMT_COMMIT_PREPARED, TRANS_STMT_ROLLBACK_PREPARED:
            name(statement.pointee.kind == TRANS_STMT_COMMIT_PREPARED ? "COMMIT PREPARED" : "ROLLBACK PREPARED")
            draft.transaction = .endPrepared(gid)
        default: add(.opaque)
        }
    }

    /// SET and RESET. SET TRANSACTION and SET SESSION CHARACTERISTICS concern the transaction only.
    mutating func decideSet(_ statement: UnsafePointer<VariableSetStmt>) {
        switch statement.pointee.kind {
        case VAR_RESET_ALL:
            name("RESET")
            add(.sessionSetting)
        case VAR_SET_MULTI:
            name("SET")
        default:
            name(statement.pointee.kind == VAR_RESET ? "RESET" : "SET")
            noteSetting(TreeName.text(statement.pointee.name))
            worklist.add(statement.pointee.args)
        }
    }

    /// ALTER SYSTEM, ALTER ROLE and ALTER DATABASE … SET.
    mutating func decideStoredSetting(
        _ statement: UnsafeMutablePointer<VariableSetStmt>?, of owner: ObjectName?
    ) {
        let setting = TreeName.text(statement?.pointee.name).lowercased()
        noteUnknownName(setting)
        add(.alter, owner ?? ObjectName(.setting, name: setting))
        guard let statement, statement.pointee.kind == VAR_SET_VALUE else { return }
        if setting == "allow_system_table_mods" { add(.catalogWrite, ObjectName(.setting, name: setting)) }
        if KnownFunction.commandSettings.contains(setting) { add(.copyProgram, ObjectName(.setting, name: setting)) }
        if KnownFunction.librarySettings.contains(setting) {
            add(.untrustedLanguage, ObjectName(.setting, name: setting))
        }
    }

    mutating func decideExplain(_ explain: UnsafePointer<ExplainStmt>) {
        name("EXPLAIN")
        var runs = false
        for option in TreeList(explain.pointee.options) {
            let element = option.node(DefElem.self).pointee
            noteUnknownName(TreeName.text(element.defname))
            if TreeName.text(element.defname) == "analyze" { runs = runs || OptionValue.mayBeTrue(element.arg) }
        }
        // Without ANALYZE nothing runs; a volatile function is not called by planning it.
        if runs { worklist.add(explain.pointee.query) } else { notePlanned(explain.pointee.query) }
    }

    mutating func decideCopy(_ copy: UnsafePointer<CopyStmt>) {
        name("COPY")
        let file = TreeName.text(copy.pointee.filename)
        if copy.pointee.is_program {
            // A name is shown wherever the statement is.
            add(.copyProgram, ObjectName(.program, name: SecretRedaction.redacted(text: file)))
        } else if copy.pointee.filename != nil {
            add(.serverFile, ObjectName(.file, name: file))
        }
        if copy.pointee.is_from { noteCatalogWrite(copy.pointee.relation) }
        worklist.add(copy.pointee.query)
        worklist.add(copy.pointee.whereClause)
    }

    mutating func decideGrant(_ grant: UnsafePointer<GrantStmt>) {
        name(grant.pointee.is_grant ? "GRANT" : "REVOKE")
        let kind = ObjectKind(grant.pointee.objtype)
        guard grant.pointee.targtype == ACL_TARGET_OBJECT else {
            for item in TreeList(grant.pointee.objects) { add(.grant, TreeName.object(.schema, node: item)) }
            return
        }
        for item in TreeList(grant.pointee.objects) { add(.grant, TreeName.object(kind, node: item)) }
        draft.addOnce(.grant)
    }

    mutating func decideExtension(_ create: UnsafePointer<CreateExtensionStmt>) {
        name("CREATE EXTENSION")
        noteCondition(create.pointee.if_not_exists)
        let object = ObjectName(.extension, name: TreeName.text(create.pointee.extname))
        noteUnknownName(object.name)
        add(.create, object)
        if RoutineLanguage(name: object.name) == .untrusted { add(.untrustedLanguage, object) }
    }

    mutating func decideAlterTable(_ alter: UnsafePointer<AlterTableStmt>) {
        let kind = ObjectKind(alter.pointee.objtype)
        name("ALTER " + kind.commandWord)
        noteCondition(alter.pointee.missing_ok)
        let table = TreeName.object(kind, alter.pointee.relation)
        // A column of the mark that is made anew would say something else.
        if SystemCatalogs.isMark(table) { add(.catalogWrite, table) }
        for command in TreeList(alter.pointee.cmds) {
            let node = command.node(AlterTableCmd.self)
            let decision = AlterTableDecision(node, of: table)
            if let definition = node.pointee.def, TreeNode(definition).tag == T_PartitionCmd,
                TreeNode(definition).node(PartitionCmd.self).pointee.concurrent
            {
                draft.mustRunAlone = true
            }
            add(decision.statementClass, decision.object)
            if let second = decision.second { add(second, decision.object) }
            if node.pointee.behavior == DROP_CASCADE, let cascade = decision.cascade, !table.isTemporaryByName {
                add(cascade)
            }
            if decision.holdsExpressions { worklist.add(node.pointee.def) }
        }
    }
}
